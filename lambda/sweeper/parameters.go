package main

import (
	"cmp"
	"fmt"
	"strconv"

	"github.com/sirupsen/logrus"

	"github.com/ecssd/ecssd/internal/sweep/run"
)

// readParameters reads the function's environment.
func readParameters(getenv func(string) string) (p run.Parameters, level logrus.Level, err error) {
	p = run.Parameters{
		Zone:            cmp.Or(getenv("ZONE"), "servicediscovery.internal"),
		ZoneID:          getenv("ZONE_ID"),
		Clusters:        getenv("ECS_CLUSTERS"),
		CheckHealthPath: cmp.Or(getenv("CHECK_HEALTH_PATH"), "/health"),
		UnhealthyAction: cmp.Or(getenv("UNHEALTHY_ACTION"), "standby"),
		DeleteBudget:    cmp.Or(getenv("DELETE_BUDGET"), "30%"),
		TTL:             getenv("TTL"),
	}
	if p.CheckHealth, err = parseBool(getenv, "CHECK_HEALTH"); err != nil {
		return p, level, err
	}
	if p.DryRun, err = parseBool(getenv, "DRY_RUN"); err != nil {
		return p, level, err
	}
	if p.NegativeTTL, err = strconv.ParseInt(cmp.Or(getenv("NEGATIVE_TTL"), "0"), 10, 64); err != nil {
		return p, level, fmt.Errorf("NEGATIVE_TTL %q is not a number of seconds", getenv("NEGATIVE_TTL"))
	}
	if level, err = logrus.ParseLevel(cmp.Or(getenv("LOG_LEVEL"), "info")); err != nil {
		return p, level, fmt.Errorf("LOG_LEVEL %q is none of debug, info, warn, error", getenv("LOG_LEVEL"))
	}
	return p, level, p.Validate()
}

// parseBool reads a variable that is true or false; empty is false.
func parseBool(getenv func(string) string, name string) (bool, error) {
	value := getenv(name)
	if value == "" {
		return false, nil
	}
	on, err := strconv.ParseBool(value)
	if err != nil {
		return false, fmt.Errorf("%s %q is neither true nor false", name, value)
	}
	return on, nil
}
