package main

import (
	"encoding/json"
	"io"

	"github.com/ecssd/ecssd/internal/sandbox"
	"github.com/ecssd/ecssd/internal/sandbox/function"
)

// startFunction starts what the flags say of the Lambda function.
func (f *flags) startFunction(s *sandbox.Server, log io.Writer) error {
	made, err := s.StartFunction(function.Config{
		Program: f.Function,
		Env:     f.FunctionEnv,
		Timeout: f.FunctionTimeout,
		Memory:  f.FunctionMemory,
		Log:     log,
	})
	if err != nil {
		return err
	}
	if f.FunctionSchedule > 0 {
		made.Schedule(f.FunctionSchedule, json.RawMessage(`{}`))
	}
	if f.FunctionQueue == "" {
		return nil
	}
	const timeouts = 6 // as Lambda recommends for the visibility timeout
	if err := s.Subscribe(f.FunctionQueue, timeouts*f.FunctionTimeout); err != nil {
		return err
	}
	return made.Map(s.Queues(), function.Mapping{
		Queue:                   f.FunctionQueue,
		MaximumConcurrency:      2,
		ReportBatchItemFailures: true,
	})
}
