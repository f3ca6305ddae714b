package docker

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestStopSignal(t *testing.T) {
	tests := map[string]int{
		"":                       15,
		"SIGTERM":                15,
		"TERM":                   15,
		"sigquit":                3,
		"15":                     15,
		"9":                      9,
		"SIGUSR1":                10,
		"SIGSTKFLT":              16,
		"IOT":                    6,
		"SIGCLD":                 17,
		"SIGPOLL":                29,
		"SIGRTMIN":               34,
		"SIGRTMIN+3":             37,
		"RTMIN+15":               49,
		"rtmin+30":               64,
		"SIGRTMAX":               64,
		"SIGRTMAX-14":            50,
		"64":                     64,
		"0":                      15,
		"-1":                     15,
		"65":                     15,
		"99999999999999999999":   15,
		"SIGRTMIN+31":            15,
		"SIGRTMIN-1":             15,
		"SIGRTMAX+1":             15,
		"SIGRTMIN3":              15,
		"SIGRTMIN+":              15,
		"RTMIN+9223372036854775": 15,
		"RTMIN+-3":               15,
		"SIGNONSENSE":            15,
		"SIGSIGHUP":              15,
		" HUP":                   15,
	}
	for signal, want := range tests {
		t.Run(signal, func(t *testing.T) { assert.Equal(t, want, stopSignal(signal)) })
	}
}
