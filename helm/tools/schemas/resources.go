package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"k8s.io/apimachinery/pkg/util/yaml"
	strict "sigs.k8s.io/yaml"
)

// The CustomResourceDefinitions that an operator's module holds.
func operatorDefinitions(operator source) ([]object, error) {
	module, err := operator.fetch()
	if err != nil {
		return nil, err
	}
	files, err := filepath.Glob(filepath.Join(module, operator.folder, "*.yaml"))
	if err != nil {
		return nil, err
	}
	var definitions []object
	for _, file := range files {
		documents, err := readDocuments(file)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		for _, document := range documents {
			if document["kind"] == "CustomResourceDefinition" {
				definitions = append(definitions, document)
			}
		}
	}
	if len(definitions) == 0 {
		return nil, fmt.Errorf("%s defines nothing", operator.module)
	}
	return definitions, nil
}

func readDocuments(file string) ([]object, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var documents []object
	reader := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	for {
		text, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return documents, nil
		}
		if err != nil {
			return nil, err
		}
		var document object
		if err := strict.Unmarshal(text, &document); err != nil {
			return nil, err
		}
		documents = append(documents, document)
	}
}

// What a definition is read for.
type resource struct {
	Metadata struct{ Name string }
	Spec     struct {
		Group    string
		Names    struct{ Kind string }
		Versions []struct {
			Name   string
			Served bool
			Schema struct{ OpenAPIV3Schema object }
		}
	}
}

// The definitions as an API server takes them, and a schema for each version that is served.
func writeResources(folder string, definitions []object, metadata object) error {
	for _, definition := range definitions {
		var resource resource
		text, err := json.Marshal(definition)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(text, &resource); err != nil {
			return err
		}
		if err := write(filepath.Join(folder, "definitions", resource.Metadata.Name+".json"), definition); err != nil {
			return err
		}
		for _, version := range resource.Spec.Versions {
			if !version.Served {
				continue
			}
			spec := resource.Spec
			schema := resourceSchema(version.Schema.OpenAPIV3Schema, metadata)
			if err := writeSchema(filepath.Join(folder, "operators"), spec.Group, version.Name, spec.Names.Kind, schema); err != nil {
				return err
			}
		}
	}
	return nil
}

// The schema with what every object has: which kind it is, and Kubernetes's own metadata, which
// definitions leave out.
func resourceSchema(schema, metadata object) object {
	properties := schema["properties"].(object)
	properties["apiVersion"] = object{"type": "string"}
	properties["kind"] = object{"type": "string"}
	delete(properties, "metadata")
	close(schema)
	properties["metadata"] = object{"allOf": metadata["allOf"]}
	schema["definitions"] = metadata["definitions"]
	schema["$schema"] = metadata["$schema"]
	required, _ := schema["required"].([]any)
	schema["required"] = append([]any{"apiVersion", "kind", "metadata"}, required...)
	return schema
}
