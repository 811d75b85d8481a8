package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"outcry.example/client/events"
)

// parityCase is a message and what it breaks.
type parityCase struct {
	Name       string             `json:"name"`
	Type       string             `json:"type"`
	Message    json.RawMessage    `json:"message"`
	Violations []events.Violation `json:"violations"`
}

// found is the line of a case.
type found struct {
	Case       string             `json:"case"`
	Violations []events.Violation `json:"violations"`
}

func parity(_ context.Context, arguments []string) error {
	name, err := file(arguments)
	if err != nil {
		return err
	}
	content, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	var cases struct {
		Cases []parityCase `json:"cases"`
	}
	if err := json.Unmarshal(content, &cases); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if len(cases.Cases) == 0 {
		return fmt.Errorf("%s has no cases", name)
	}
	var wrong []error
	for _, one := range cases.Cases {
		violations, err := violationsOf(one)
		if err != nil {
			wrong = append(wrong, fmt.Errorf("%s: %w", one.Name, err))
			continue
		}
		if err := show(found{Case: one.Name, Violations: violations}); err != nil {
			return err
		}
		events.SortViolations(one.Violations)
		if !slices.Equal(violations, one.Violations) {
			wrong = append(wrong, fmt.Errorf("%s: found %v, expected %v", one.Name, violations, one.Violations))
		}
	}
	return errors.Join(wrong...)
}

func violationsOf(one parityCase) ([]events.Violation, error) {
	kind, err := protoregistry.GlobalTypes.FindMessageByName(protoreflect.FullName(one.Type))
	if err != nil {
		return nil, err
	}
	message := kind.New().Interface()
	if err := protojson.Unmarshal(one.Message, message); err != nil {
		return nil, err
	}
	return events.Violations(message)
}
