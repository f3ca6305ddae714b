package permission_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/ecssd/ecssd/internal/apply/permission"
	"github.com/ecssd/ecssd/internal/plan"
)

func Example() {
	s := permission.New(plan.Current{}) // nothing in the journal proves anything
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	fmt.Println(s.Unproven(nil))
	s.QuestionDenied(
		errors.New("AccessDenied: not authorized to perform route53:ChangeResourceRecordSets"),
		false,
		now,
		0,
	)
	fmt.Println(s.Unproven(nil))
	at, ask := s.NextQuestion()
	fmt.Println("asked again:", ask, at.After(now))
	// Output:
	// not known yet whether this host may change records: Route 53 has not answered
	// AccessDenied: not authorized to perform route53:ChangeResourceRecordSets
	// asked again: true true
}
