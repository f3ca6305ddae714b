package zone

import (
	"fmt"
	"strings"
)

// Code is Route 53's code for an error.
type Code string

// The codes of this package.
const (
	InvalidChangeBatch      Code = "InvalidChangeBatch"
	InvalidInput            Code = "InvalidInput"
	InvalidDomainName       Code = "InvalidDomainName"
	NoSuchHostedZone        Code = "NoSuchHostedZone"
	NoSuchChange            Code = "NoSuchChange"
	HostedZoneAlreadyExists Code = "HostedZoneAlreadyExists"
	HostedZoneNotEmpty      Code = "HostedZoneNotEmpty"
	ConflictingDomainExists Code = "ConflictingDomainExists"
)

// Error is a refusal in Route 53's words.
type Error struct {
	Code     Code
	Messages []string // more than one only for InvalidChangeBatch
}

// Text is the message as the API returns it: the list in square brackets for a change batch.
func (e *Error) Text() string {
	text := strings.Join(e.Messages, ", ")
	if e.Code == InvalidChangeBatch {
		text = "[" + text + "]"
	}
	return text
}

func (e *Error) Error() string { return string(e.Code) + ": " + e.Text() }

func refuse(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Messages: []string{fmt.Sprintf(format, args...)}}
}
