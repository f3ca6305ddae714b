package apply

import (
	"context"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/ecssd/ecssd/internal/apply/target"
	"github.com/ecssd/ecssd/internal/record"
)

// reportWaiting logs once of each SRV record that it waits for the A record that it points to. The caller holds mu.
func (w *Writer) reportWaiting() {
	keys, waiting := w.target.NewlyWaiting()
	for _, key := range keys {
		srv, refused := w.ledger.Desired()[key].Record, waiting[key]
		w.cfg.Log.WithFields(logrus.Fields{
			"name":    srv.Name,
			"set_id":  srv.SetID,
			"target":  target.Of(srv),
			"reason":  refused.Reason,
			"message": refused.Message,
		}).Warn("SRV record waits: Route 53 refuses the A record that it points to")
		w.outcomes.Refused(srv, refused.Message)
	}
}

// readTarget reads a name back that SRV records point to and whose A record is refused. One is read after each refused
// call.
func (w *Writer) readTarget(ctx context.Context) {
	w.mu.Lock()
	own, ok := w.target.ToRead()
	w.mu.Unlock()
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	found, err := w.cfg.Zone.Group(ctx, own.Name, record.A)
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.target.ReadFailed(own.Name, time.Now())
		w.cfg.Log.WithError(err).WithField("name", own.Name).Warn("cannot list records of name")
		return
	}
	w.target.Read(own, found, time.Now())
}
