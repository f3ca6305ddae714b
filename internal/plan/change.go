package plan

import "github.com/ecssd/ecssd/internal/record"

// Action is what a change does, in Route 53's word for it.
type Action string

// The actions that ecssd uses.
const (
	Upsert Action = "UPSERT"
	Delete Action = "DELETE" // succeeds only when the record is exactly as given
)

// Change is one element of a change batch.
type Change struct {
	Action Action
	Record record.Record
}
