package run

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
)

// A budget that is not quite one must not let more be deleted than was meant, nor a TTL be another.
func FuzzParameters(f *testing.F) {
	for _, s := range []string{"30%", "0%", "100%", "30", "101%", "-1%", "NaN%", "Inf%", "1e9%", "0x10%", "1e-400%",
		"%", "", "3 0%", "30%%"} {
		f.Add(s, "60", int64(0))
	}
	f.Add("30%", "-1", int64(-1))
	f.Add("30%", "2147483648", int64(86401))
	f.Fuzz(func(t *testing.T, budget, ttl string, negative int64) {
		p := Parameters{
			Zone:            "z",
			CheckHealthPath: "/",
			UnhealthyAction: "standby",
			DeleteBudget:    budget,
			TTL:             ttl,
			NegativeTTL:     negative,
		}
		err := p.Validate()
		part, budgetErr := p.budget()
		seconds, ttlErr := p.ttl()
		if err == nil {
			assert.NoError(t, budgetErr)
			assert.NoError(t, ttlErr)
			assert.True(t, 0 <= negative && negative <= 86400)
		}
		assert.True(t, part >= 0 && part <= 1 && !math.IsNaN(part), "%v", part)
		assert.True(t, seconds == nil || 0 <= *seconds && *seconds <= math.MaxInt32)
	})
}
