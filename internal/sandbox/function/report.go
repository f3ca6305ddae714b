package function

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// Report is what Lambda writes at the end of an invocation.
type Report struct {
	RequestID string        `json:"requestId"`
	Duration  time.Duration `json:"durationNs"`
	Init      time.Duration `json:"initNs,omitempty"` // of a cold start
	Memory    int           `json:"memorySizeMB"`
	Used      int           `json:"maxMemoryUsedMB"`
	Status    string        `json:"status,omitempty"` // timeout, error; empty where all went well
	ErrorType string        `json:"errorType,omitempty"`
}

// String is the line as AWS writes it ("Lambda logs", AWS Lambda developer guide). The time of a cold start is billed,
// too.
func (r Report) String() string {
	milliseconds := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	fields := []string{
		"REPORT RequestId: " + r.RequestID,
		fmt.Sprintf("Duration: %.2f ms", milliseconds(r.Duration)),
		fmt.Sprintf("Billed Duration: %.0f ms", math.Ceil(milliseconds(r.Duration+r.Init))),
		fmt.Sprintf("Memory Size: %d MB", r.Memory),
		fmt.Sprintf("Max Memory Used: %d MB", r.Used),
	}
	if r.Init > 0 {
		fields = append(fields, fmt.Sprintf("Init Duration: %.2f ms", milliseconds(r.Init)))
	}
	if r.Status != "" {
		fields = append(fields, "Status: "+r.Status)
	}
	if r.ErrorType != "" {
		fields = append(fields, "Error Type: "+r.ErrorType)
	}
	return strings.Join(fields, "\t") + "\t"
}
