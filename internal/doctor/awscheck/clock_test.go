package awscheck

import (
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/doctor"
)

func TestJudgeClock(t *testing.T) {
	const hint = "chronyc makestep; systemctl enable --now chronyd; AWS's own time is at 169.254.169.123"
	well := doctor.Okf("this host's clock agrees with AWS's")
	warn := func(text string) doctor.Result {
		return doctor.Warnf("this host's clock is %s AWS's, which refuses calls from 5 minutes on", text).Hintf(hint)
	}
	fail := func(text string) doctor.Result {
		return doctor.Failf("this host's clock is %s AWS's, which refuses calls signed so", text).Hintf(hint)
	}
	for ahead, want := range map[time.Duration]doctor.Result{
		0:                                      well,
		30 * time.Second:                       well,
		-30 * time.Second:                      well,
		31 * time.Second:                       warn("31s ahead of"),
		-31 * time.Second:                      warn("31s behind"),
		5 * time.Minute:                        warn("5m0s ahead of"),
		-5 * time.Minute:                       warn("5m0s behind"),
		5*time.Minute + time.Second:            fail("5m1s ahead of"),
		-5*time.Minute - 1100*time.Millisecond: fail("5m1s behind"),
	} {
		assert.Equal(t, want, judgeClock(ahead, true), ahead)
	}
	assert.Equal(t, doctor.Skipf("not checked: AWS gave no answer to compare with"), judgeClock(0, false))
}

// answerer answers a call of AWS with a date, after a while.
type answerer struct {
	after time.Duration
	date  string
	err   error
}

func (a answerer) Do(*http.Request) (*http.Response, error) {
	time.Sleep(a.after)
	return &http.Response{Header: http.Header{"Date": {a.date}}}, a.err
}

// The answer was dated between the call and its arrival: the middle is the best guess.
func TestSkew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		date := time.Now().Add(-time.Minute).UTC().Format(http.TimeFormat)
		request, err := http.NewRequest(http.MethodGet, "http://aws", nil)
		require.NoError(t, err)
		var w wire
		for _, useless := range []answerer{{date: "odd"}, {date: date, err: errors.New("lost")}} {
			w.next = useless
			response, err := w.Do(request)
			assert.Equal(t, useless.err, err)
			assert.NotNil(t, response)
			_, known := w.skew()
			assert.False(t, known)
		}
		w.next = answerer{after: 2 * time.Second, date: date}
		_, err = w.Do(request)
		require.NoError(t, err)
		ahead, known := w.skew()
		assert.True(t, known)
		assert.Equal(t, time.Minute+time.Second, ahead)
		assert.Equal(t, 3, w.count())
	})
}
