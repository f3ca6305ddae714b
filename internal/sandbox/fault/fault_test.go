package fault

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func set(t *testing.T, faults ...Fault) *Set {
	t.Helper()
	s := NewSet(rand.New(rand.NewPCG(1, 1)))
	require.NoError(t, s.Replace(faults...))
	return s
}

func kind(f *Fault) Kind {
	if f == nil {
		return ""
	}
	return f.Kind
}

func TestConditions(t *testing.T) {
	call := Call{"ChangeResourceRecordSets", "Z1", []string{"web.a.internal", `\052.secret.a.internal`}}
	for _, c := range []struct {
		name  string
		fault Fault
		want  bool
	}{
		{"none", Fault{}, true},
		{"operation", Fault{Operation: "ChangeResourceRecordSets"}, true},
		{"another operation", Fault{Operation: "GetChange"}, false},
		{"zone", Fault{ZoneID: "Z1"}, true},
		{"another zone", Fault{ZoneID: "Z2"}, false},
		{"a name", Fault{Names: "web.a.internal"}, true},
		{"a name below", Fault{Names: "*.secret.*"}, true},
		{"an escape is a plain text", Fault{Names: `\052.secret.a.internal`}, true},
		{"any one character", Fault{Names: "we?.a.internal"}, true},
		{"any one character is not none", Fault{Names: "web?.a.internal"}, false},
		{"another name", Fault{Names: "*.b.internal"}, false},
		{"a name, and another zone", Fault{Names: "*", ZoneID: "Z2"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.fault.Kind = Lose
			_, f := set(t, c.fault).Strike(call)
			assert.Equal(t, c.want, f != nil)
		})
	}
}

func TestCountAndAfter(t *testing.T) {
	s := set(t, Fault{Kind: Lose, Count: 2, After: 1})
	var struck []Kind
	for range 5 {
		_, f := s.Strike(Call{})
		struck = append(struck, kind(f))
	}
	assert.Equal(t, []Kind{"", Lose, Lose, "", ""}, struck)
	assert.Equal(t, []Active{{Fault{Kind: Lose, Count: 2, After: 1}, 5, 2}}, s.Active())
}

func TestProbability(t *testing.T) {
	s := set(t, Fault{Kind: Lose, Probability: 0.3})
	hits := 0
	for range 1000 {
		if _, f := s.Strike(Call{}); f != nil {
			hits++
		}
	}
	assert.InDelta(t, 300, hits, 50)
}

func TestDelaysAddUpAndTheFirstOtherFaultStrikes(t *testing.T) {
	s := set(t, Fault{Kind: Delay, Latency: time.Second}, Fault{Kind: Lose, Count: 1}, Fault{Kind: Reset},
		Fault{Kind: Delay, Latency: time.Second, Jitter: time.Second})
	delay, f := s.Strike(Call{})
	assert.Equal(t, Lose, kind(f))
	assert.GreaterOrEqual(t, delay, 2*time.Second)
	assert.Less(t, delay, 3*time.Second)
	_, f = s.Strike(Call{})
	assert.Equal(t, Reset, kind(f))
}

func TestValidate(t *testing.T) {
	for _, c := range []struct {
		name string
		in   Fault
		err  string
	}{
		{"no kind", Fault{}, `read fault kind "": there are [fail delay reset stall lose hang garble flood]`},
		{"probability", Fault{Kind: Lose, Probability: 1.5}, "read probability 1.5: it is from 0 to 1"},
		{"delay of nothing", Fault{Kind: Delay}, "read delay: it has no latency"},
		{
			"unknown code",
			Fault{Kind: Fail, Code: "Oops"},
			`read error code "Oops": it is not known, so a status is needed`,
		},
		{"status", Fault{Kind: Fail, Code: "Oops", Status: 200}, "read status 200: it is from 400 to 599"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := set(t, Fault{Kind: Hang})
			assert.EqualError(t, s.Replace(c.in), c.err)
			assert.EqualError(t, s.Add(c.in), c.err)
			assert.Equal(t, []Active{{Fault: Fault{Kind: Hang}}}, s.Active(), "what was on stays on")
		})
	}
	s := set(t, Fault{Kind: Fail, Code: "Throttling"}, Fault{
		Kind:    Fail,
		Code:    "Throttling",
		Status:  503,
		Message: "x",
	})
	require.NoError(t, s.Add(Fault{
		Kind:    Fail,
		Code:    "Oops",
		Status:  418,
		Message: "y",
	}))
	assert.Equal(t, []Active{
		{Fault: Fault{
			Kind:    Fail,
			Code:    "Throttling",
			Status:  400,
			Message: "Rate exceeded",
		}},
		{Fault: Fault{
			Kind:    Fail,
			Code:    "Throttling",
			Status:  503,
			Message: "x",
		}},
		{Fault: Fault{
			Kind:    Fail,
			Code:    "Oops",
			Status:  418,
			Message: "y",
		}},
	}, s.Active())
}
