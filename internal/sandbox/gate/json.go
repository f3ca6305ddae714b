package gate

import (
	"encoding/json"
	"net/http"
)

// JSON answers in AWS JSON 1.1.
func JSON(status int, document any) Answer {
	body, err := json.Marshal(document)
	if err != nil { // no document has what JSON cannot say
		status, body = http.StatusInternalServerError, []byte("{}")
	}
	return Answer{Status: status, Header: http.Header{"Content-Type": {"application/x-amz-json-1.1"}}, Body: body}
}

// RefuseJSON words a failure in AWS JSON 1.1.
func RefuseJSON(f *Failure) Answer {
	return JSON(f.Status, struct {
		Type    string `json:"__type"`
		Message string `json:"message,omitempty"`
	}{f.Code, f.Message})
}
