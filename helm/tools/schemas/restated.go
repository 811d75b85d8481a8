package main

import (
	"embed"
	"fmt"
	"path/filepath"
	"strings"

	strict "sigs.k8s.io/yaml"
)

// The modules of RabbitMQ's operators and of CloudNativePG were refused by the module proxy when this
// was written, so what they say of the fields that the chart writes is said here again, by their
// documentation. It is stricter than theirs: a field that the chart does not write is not in it.
//
//go:embed restated/*.yaml
var restated embed.FS

// The resources of one group, each with the schema of its `spec`.
type group struct {
	Group, Version string
	// What more than one of them has, for the file alone.
	Shared any
	Kinds  map[string]object
}

func restatedDefinitions() ([]object, error) {
	files, err := restated.ReadDir("restated")
	if err != nil {
		return nil, err
	}
	var definitions []object
	for _, file := range files {
		text, err := restated.ReadFile(filepath.Join("restated", file.Name()))
		if err != nil {
			return nil, err
		}
		var group group
		if err := strict.UnmarshalStrict(text, &group); err != nil {
			return nil, fmt.Errorf("%s: %w", file.Name(), err)
		}
		for kind, spec := range group.Kinds {
			definitions = append(definitions, group.definition(kind, spec))
		}
	}
	return definitions, nil
}

func (g group) definition(kind string, spec object) object {
	singular := strings.ToLower(kind)
	plural := singular + "s"
	schema := object{
		"type":     "object",
		"required": []any{"spec"},
		"properties": object{
			"apiVersion": object{"type": "string"},
			"kind":       object{"type": "string"},
			"metadata":   object{"type": "object"},
			"spec":       spec,
		},
	}
	return object{
		"apiVersion": "apiextensions.k8s.io/v1",
		"kind":       "CustomResourceDefinition",
		"metadata":   object{"name": plural + "." + g.Group},
		"spec": object{
			"group": g.Group,
			"scope": "Namespaced",
			"names": object{"kind": kind, "listKind": kind + "List", "plural": plural, "singular": singular},
			"versions": []any{object{
				"name":    g.Version,
				"served":  true,
				"storage": true,
				"schema":  object{"openAPIV3Schema": schema},
			}},
		},
	}
}
