package outcry

import (
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Violation is a field that was refused.
type Violation struct {
	// Field is its path in the request, for example `terms.quantity`.
	Field string `json:"field"`
	// Rule is protovalidate's id of the broken rule; empty where the platform's own rules speak.
	Rule string `json:"rule"`
	// Description is the rule in words.
	Description string `json:"-"`
}

// Error is a refused or failed call. Find it with errors.As.
type Error struct {
	// Code is gRPC's.
	Code codes.Code
	// Reason is stable, for example `INSUFFICIENT_FUNDS`; empty when the platform was not reached.
	Reason string
	// Metadata belongs to the reason.
	Metadata map[string]string
	// Message is for people.
	Message string
	// Violations name the fields of a bad request.
	Violations []Violation
	// RetryAfter is how long the platform wants to be left alone; 0 if it did not say.
	RetryAfter time.Duration

	status *status.Status
}

// Error tells code, reason and message.
func (e *Error) Error() string {
	parts := []string{CodeName(e.Code)}
	if e.Reason != "" && e.Reason != parts[0] {
		parts = append(parts, e.Reason)
	}
	return strings.Join(parts, " ") + ": " + e.Message
}

// GRPCStatus makes status.FromError and status.Code work.
func (e *Error) GRPCStatus() *status.Status { return e.status }

// failure reads the details of a call's error.
func failure(err error) *Error {
	answer, _ := status.FromError(err)
	failed := &Error{Code: answer.Code(), Message: answer.Message(), status: answer}
	for _, detail := range answer.Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			failed.Reason, failed.Metadata = detail.GetReason(), detail.GetMetadata()
		case *errdetails.BadRequest:
			for _, violation := range detail.GetFieldViolations() {
				failed.Violations = append(failed.Violations, Violation{
					Field:       violation.GetField(),
					Rule:        violation.GetReason(),
					Description: violation.GetDescription(),
				})
			}
		case *errdetails.RetryInfo:
			failed.RetryAfter = detail.GetRetryDelay().AsDuration()
		}
	}
	return failed
}

// CodeName is a code's name in gRPC's specification, for example `INVALID_ARGUMENT`.
func CodeName(code codes.Code) string {
	var name strings.Builder
	for i, letter := range code.String() {
		if i > 0 && letter >= 'A' && letter <= 'Z' && code != codes.OK {
			name.WriteByte('_')
		}
		name.WriteRune(letter)
	}
	return strings.ToUpper(name.String())
}
