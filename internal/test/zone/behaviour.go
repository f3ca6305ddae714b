package zone

import (
	"errors"
	"fmt"
	"time"

	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

// Behaviour is how a Zone answers. The zero value answers at once and without faults.
type Behaviour struct {
	Latency     time.Duration // of a change, before it is made
	ReadLatency time.Duration // of a call that reads
	PageSize    int           // record sets that one call lists; 0: 300
	MaxWeighted int           // records of one name and type; 0: 100
	MaxSets     int           // of the zone, its SOA and NS included; 0: 10,000
	Unnamed     bool          // a refusal does not say which change it means

	// Denied reports whether IAM denies a change, and with it the whole batch. Nil: none.
	Denied func(plan.Change) bool
	// Before is called when the call number, counted from 1, begins: what others do meanwhile. It may call the Zone.
	Before func(call int)
	// Fault decides what goes wrong with a change. It, Denied, ReadFault and Applied must not call the Zone.
	Fault func(call int, changes []plan.Change) Fault
	// ReadFault is the error of a call that reads, counted from 1. Nil: none.
	ReadFault func(read int) error
	// Applied sees the records before and after each batch that was made.
	Applied func(before, after map[record.Key]record.Record)
}

// Fault is what goes wrong with one call. The zero value loses the request silently, so take None for no fault.
type Fault struct {
	Err  error // returned in place of the zone's answer
	Made bool  // the changes are made nevertheless, as far as the rules allow
}

// DeniedMessage is the message of AccessDenied.
const DeniedMessage = "User: arn:aws:sts::123456789012:assumed-role/host/i-1 is not authorized to perform: " +
	"route53:ChangeResourceRecordSets on resource: arn:aws:route53:::hostedzone/" + ID

// ErrReset is a connection that was lost.
var ErrReset = errors.New("read tcp: connection reset by peer")

// errHang is a call that is not answered before its context ends.
var errHang = errors.New("hang")

// stillProcessing is Route 53's own wording.
const stillProcessing = "The request was rejected because Route 53 was still processing a prior request."

// The faults of one call.
var (
	None        = Fault{Made: true}
	LostAnswer  = Fault{Err: ErrReset, Made: true}
	LostRequest = Fault{Err: ErrReset}
	Throttled   = Fault{Err: fmt.Errorf("%w: Throttling: Rate exceeded", plan.ErrThrottled)}
	Busy        = Fault{Err: fmt.Errorf("%w: PriorRequestNotComplete: %s", plan.ErrZoneBusy, stillProcessing)}
	NoSuchZone  = Fault{
		Err: fmt.Errorf("%w: NoSuchHostedZone: No hosted zone found with ID: %s", plan.ErrNoSuchZone, ID),
	}
	Hang     = Fault{Err: errHang}             // before the changes are made
	HangMade = Fault{Err: errHang, Made: true} // after that
)

// Behave changes how the zone behaves from now on, while others may call it.
func (z *Zone) Behave(change func(*Behaviour)) {
	z.mu.Lock()
	defer z.mu.Unlock()
	change(&z.Behaviour)
}

// Faults plays each fault on one call of Change, and none on those after.
func (z *Zone) Faults(faults ...Fault) {
	z.Behave(func(b *Behaviour) {
		b.Fault = func(int, []plan.Change) Fault {
			if len(faults) == 0 {
				return None
			}
			next := faults[0]
			faults = faults[1:]
			return next
		}
	})
}

// Fail has every change fail with err, and not be made. Nil ends that.
func (z *Zone) Fail(err error) {
	z.Behave(func(b *Behaviour) {
		b.Fault = nil
		if err != nil {
			b.Fault = func(int, []plan.Change) Fault { return Fault{Err: err} }
		}
	})
}

// Forget drops Calls, Reads and what the store remembers of past changes, so that a test can measure memory.
func (z *Zone) Forget() {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.calls, z.reads = nil, nil
	z.store.Forget()
}

// Calls returns the calls of Change that have ended.
func (z *Zone) Calls() []Call {
	z.mu.Lock()
	defer z.mu.Unlock()
	return append([]Call(nil), z.calls...)
}

// Reads returns the calls that read.
func (z *Zone) Reads() []Read {
	z.mu.Lock()
	defer z.mu.Unlock()
	return append([]Read(nil), z.reads...)
}
