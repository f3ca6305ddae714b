package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/ecssd/ecssd/internal/sandbox/function"
)

// StartFunction makes a Lambda function of a program, which calls this sandbox. There is at most one.
func (s *Server) StartFunction(c function.Config) (*function.Function, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.function != nil {
		return nil, errors.New("start the function: there is one")
	}
	c.Account, c.Region, c.Now = s.account.Account, s.account.Region, s.account.Now
	c.Env = append(s.Environment(), c.Env...)
	s.function = function.New(c)
	return s.function, nil
}

// Function returns the Lambda function; nil where there is none.
func (s *Server) Function() *function.Function {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.function
}

// statesPattern is that of a rule for the state changes after which an instance is gone.
const statesPattern = `{"source": ["aws.ec2"], "detail-type": ["EC2 Instance State-change Notification"],
	"detail": {"state": ["stopping", "stopped", "shutting-down", "terminated"]}}`

// Subscribe makes a queue that a rule sends EC2's state changes to, those after which an instance is gone, with a queue
// of dead letters NAME-dead-letters, after a message was received three times.
func (s *Server) Subscribe(queue string, visibility time.Duration) error {
	letters, arn := queue+"-dead-letters", s.queues.ARN(queue)
	if err := s.queues.Create(letters, nil); err != nil {
		return fmt.Errorf("create queue %s: %w", letters, err)
	}
	err := s.queues.Create(queue, map[string]string{
		"VisibilityTimeout": fmt.Sprint(int(visibility / time.Second)),
		"RedrivePolicy":     `{"deadLetterTargetArn": "` + s.queues.ARN(letters) + `", "maxReceiveCount": 3}`,
		"Policy": `{"Statement": [{"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"},
			"Action": "sqs:SendMessage", "Resource": "` + arn + `"}]}`,
	})
	if err != nil {
		return fmt.Errorf("create queue %s: %w", queue, err)
	}
	return s.bus.Subscribe(queue, statesPattern, arn)
}

func (s *Server) manageFunction(mux *http.ServeMux) {
	with := func(do func(*function.Function) (any, error)) (any, error) {
		f := s.Function()
		if f == nil {
			return nil, errors.New("find the function: there is none; start ecssd-sandbox with --function")
		}
		return do(f)
	}
	mux.HandleFunc("GET /function", give(func(*http.Request) (any, error) {
		return with(func(f *function.Function) (any, error) {
			return struct {
				Program      string             `json:"program"`
				Environments int                `json:"environments"`
				Mappings     []function.Mapping `json:"mappings"`
			}{f.Program(), f.Environments(), f.Mappings()}, nil
		})
	}))
	mux.HandleFunc("GET /function/invocations", give(func(*http.Request) (any, error) {
		return with(func(f *function.Function) (any, error) { return f.History(), nil })
	}))
	mux.HandleFunc("POST /function/invocations", take(func(r *http.Request, event json.RawMessage) (any, error) {
		return with(func(f *function.Function) (any, error) { return f.Invoke(r.Context(), event) })
	}))
	mux.HandleFunc("POST /function/mappings", take(func(_ *http.Request, m function.Mapping) (any, error) {
		return with(func(f *function.Function) (any, error) { return nil, f.Map(s.queues, m) })
	}))
}
