package plan

import "github.com/ecssd/ecssd/internal/record"

// Action is what a change does, in Route 53's word for it.
type Action string

// The actions that ecssd uses.
const (
	Create Action = "CREATE" // succeeds only when there is no such record
	Delete Action = "DELETE" // succeeds only when the record is exactly as given
	Upsert Action = "UPSERT"
)

// Change is one element of a change batch.
type Change struct {
	Action Action
	Record record.Record
}
