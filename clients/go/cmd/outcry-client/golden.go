package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"outcry.example/client/events"
)

const goldenSuffix = ".binpb"

// kept is the line of a golden event.
type kept struct {
	Case string `json:"case"`
	Same bool   `json:"same"`
}

func golden(_ context.Context, arguments []string) error {
	folder, err := file(arguments)
	if err != nil {
		return err
	}
	var wrong []error
	count := 0
	err = filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, goldenSuffix) {
			return err
		}
		count++
		stem := strings.TrimSuffix(path, goldenSuffix)
		relative, err := filepath.Rel(folder, stem)
		if err != nil {
			return err
		}
		name := filepath.ToSlash(relative)
		cause := compareGolden(stem)
		if cause != nil {
			wrong = append(wrong, fmt.Errorf("%s: %w", name, cause))
		}
		return show(kept{Case: name, Same: cause == nil})
	})
	if err != nil {
		return err
	}
	if count == 0 {
		return fmt.Errorf("%s has no golden events", folder)
	}
	return errors.Join(wrong...)
}

// compareGolden tells how an event and its JSON differ.
func compareGolden(stem string) error {
	body, err := os.ReadFile(stem + goldenSuffix)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(stem + ".json")
	if err != nil {
		return err
	}
	event, err := events.Open(body)
	if err != nil {
		return err
	}
	// Old facts are not validated: rules may have become narrower since.
	ours, err := event.JSON()
	if err != nil {
		return err
	}
	var read, expected any
	if err := json.Unmarshal(ours, &read); err != nil {
		return err
	}
	if err := json.Unmarshal(text, &expected); err != nil {
		return err
	}
	if !reflect.DeepEqual(read, expected) {
		return fmt.Errorf("read as %s", ours)
	}
	return nil
}
