package events

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"buf.build/go/protovalidate"
	"google.golang.org/protobuf/proto"
)

// Violation is a broken rule of the contract.
type Violation struct {
	// Field is the path of the field, for example `payload.last_quantity`.
	Field string `json:"field"`
	// Rule is protovalidate's id of the rule, for example `int64.gte`.
	Rule string `json:"rule"`
}

// Violations are the rules a message breaks, sorted by field, then rule.
func Violations(message proto.Message) ([]Violation, error) {
	violations := []Violation{}
	err := protovalidate.Validate(message)
	var broken *protovalidate.ValidationError
	if err != nil && !errors.As(err, &broken) {
		return nil, fmt.Errorf("the rules of %s cannot be used: %w", message.ProtoReflect().Descriptor().FullName(), err)
	}
	if broken != nil {
		for _, violation := range broken.Violations {
			violations = append(violations, Violation{
				Field: protovalidate.FieldPathString(violation.Proto.GetField()),
				Rule:  violation.Proto.GetRuleId(),
			})
		}
	}
	SortViolations(violations)
	return violations, nil
}

// SortViolations sorts by field, then rule.
func SortViolations(violations []Violation) {
	slices.SortFunc(violations, func(one, other Violation) int {
		return cmp.Or(strings.Compare(one.Field, other.Field), strings.Compare(one.Rule, other.Rule))
	})
}
