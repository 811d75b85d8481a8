// Package events consumes the platform's events and takes nothing on trust: they are decoded by
// their type, validated, compared with the schema this module was built from, handled once, and
// put aside with the broken rule when they break the contract.
package events

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"outcry.example/client/gen/catalog"
	eventsv1 "outcry.example/client/gen/outcry/events/v1"
)

// Event is a message that has kept the contract.
type Event struct {
	// Envelope is what travels.
	Envelope *eventsv1.EventEnvelope
	// Type is the payload's full name, for example `outcry.orders.v1.OrderFilledEvent`.
	Type string
	// Payload is the event itself: switch on its Go type. Nil for a type the package does not know.
	Payload proto.Message
}

// Reason says why a message was put aside.
type Reason string

const (
	// Unreadable is not an envelope, or its payload is not what its type says.
	Unreadable Reason = "UNREADABLE"
	// Invalid breaks a rule of the contract.
	Invalid Reason = "INVALID"
	// NewerSchema has a version this package does not know.
	NewerSchema Reason = "NEWER_SCHEMA"
	// UnknownType is of a type this package does not know; only a consumer that wants those puts it aside.
	UnknownType Reason = "UNKNOWN_TYPE"
)

// Refusal is why an event cannot be handled.
type Refusal struct {
	Reason     Reason
	Violations []Violation
	cause      string
}

// Error tells the reason and what was found.
func (r *Refusal) Error() string {
	if r.cause == "" {
		return string(r.Reason)
	}
	return string(r.Reason) + ": " + r.cause
}

// Open decodes the envelope only. The error is a *Refusal.
func Open(body []byte) (*Event, error) {
	envelope := &eventsv1.EventEnvelope{}
	if err := proto.Unmarshal(body, envelope); err != nil {
		return nil, &Refusal{Reason: Unreadable, cause: err.Error()}
	}
	return &Event{Envelope: envelope, Type: typeName(envelope.GetPayload().GetTypeUrl())}, nil
}

// Decode finds the payload by its type and checks everything. A type that is unknown leaves the
// payload nil. The error is a *Refusal unless the rules themselves cannot be used.
func (e *Event) Decode() error {
	known, isKnown := catalog.Events[e.Type]
	if version := e.Envelope.GetSchemaVersion(); isKnown && version > known.Version {
		return &Refusal{Reason: NewerSchema, cause: fmt.Sprintf("version %d, %d is known", version, known.Version)}
	}
	violations, err := Violations(e.Envelope)
	if err != nil {
		return err
	}
	if isKnown {
		if e.Payload, err = e.Envelope.GetPayload().UnmarshalNew(); err != nil {
			return &Refusal{Reason: Unreadable, cause: err.Error()}
		}
		inside, err := Violations(e.Payload)
		if err != nil {
			return err
		}
		for _, violation := range inside {
			field := "payload"
			if violation.Field != "" {
				field += "." + violation.Field
			}
			violations = append(violations, Violation{Field: field, Rule: violation.Rule})
		}
	}
	if len(violations) > 0 {
		SortViolations(violations)
		return &Refusal{Reason: Invalid, Violations: violations, cause: rules(violations)}
	}
	return nil
}

// JSON is the envelope in protobuf's JSON form, its payload expanded.
func (e *Event) JSON() (json.RawMessage, error) {
	spaced, err := protojson.Marshal(e.Envelope)
	if err != nil {
		return nil, err
	}
	// The encoder varies its spaces on purpose.
	var compact bytes.Buffer
	if err := json.Compact(&compact, spaced); err != nil {
		return nil, err
	}
	return compact.Bytes(), nil
}

// Schema says whether a publisher was built from the same schema as this package.
type Schema string

const (
	// SchemaSame is the fingerprint of this package's own catalog.
	SchemaSame Schema = "same"
	// SchemaDiffers is another.
	SchemaDiffers Schema = "differs"
	// SchemaUnknown is none.
	SchemaUnknown Schema = "unknown"
)

// CompareSchema compares the fingerprint a message carries with the catalog's.
func CompareSchema(fullName, fingerprint string) Schema {
	switch {
	case fingerprint == "":
		return SchemaUnknown
	case fingerprint == catalog.Events[fullName].Fingerprint:
		return SchemaSame
	default:
		return SchemaDiffers
	}
}

// typeName is what follows the last slash of a type URL.
func typeName(url string) string {
	return url[strings.LastIndexByte(url, '/')+1:]
}

// rules is `field rule` of each violation.
func rules(violations []Violation) string {
	lines := make([]string, len(violations))
	for i, violation := range violations {
		lines[i] = violation.Field + " " + violation.Rule
	}
	return strings.Join(lines, ", ")
}
