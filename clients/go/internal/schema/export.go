package schema

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
)

// Event is what the catalog says about one event type.
type Event struct {
	Topic       string `json:"topic"`
	FullName    string `json:"full_name"`
	Version     uint32 `json:"version"`
	File        string `json:"file"`
	Fingerprint string `json:"fingerprint"`
}

// Export is what `outcry schema export` has written.
type Export struct {
	Files  *descriptorpb.FileDescriptorSet
	Events []Event
}

// Read reads the exported folder and compares its parts with each other.
func Read(folder string) (*Export, error) {
	set, err := read(folder, "outcry.binpb")
	if err != nil {
		return nil, err
	}
	catalog, err := read(folder, "catalog.json")
	if err != nil {
		return nil, err
	}
	export := &Export{Files: &descriptorpb.FileDescriptorSet{}}
	if err := proto.Unmarshal(set, export.Files); err != nil {
		return nil, fmt.Errorf("outcry.binpb is not a descriptor set: %w", err)
	}
	listed := struct {
		Events *[]Event `json:"events"`
	}{&export.Events}
	if err := json.Unmarshal(catalog, &listed); err != nil {
		return nil, fmt.Errorf("catalog.json is not a catalog: %w", err)
	}
	if len(export.Events) == 0 {
		return nil, errors.New("catalog.json lists no events")
	}
	fingerprints, err := ReadFingerprints(set)
	if err != nil {
		return nil, err
	}
	for _, event := range export.Events {
		fingerprint, err := fingerprints.Of(event.File)
		if err != nil {
			return nil, fmt.Errorf("catalog.json does not belong to outcry.binpb: %w; export the schema again", err)
		}
		if fingerprint != event.Fingerprint {
			return nil, fmt.Errorf("catalog.json does not belong to outcry.binpb: %s differs; export the schema again", event.FullName)
		}
	}
	return export, nil
}

func read(folder, name string) ([]byte, error) {
	bytes, err := os.ReadFile(filepath.Join(folder, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: write it with `cargo run -- schema export clients/schema`, or name another folder in OUTCRY_SCHEMA", err)
	}
	return bytes, err
}
