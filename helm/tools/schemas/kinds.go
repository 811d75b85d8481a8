package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

const reference = "#/definitions/"

// The definitions of a version of Kubernetes, with nothing allowed in them that they do not name.
func kubernetesDefinitions(version source) (object, error) {
	module, err := version.fetch()
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(filepath.Join(module, version.folder, "swagger.json"))
	if err != nil {
		return nil, err
	}
	var swagger struct{ Definitions object }
	if err := json.Unmarshal(text, &swagger); err != nil {
		return nil, err
	}
	for _, definition := range swagger.Definitions {
		close(definition.(object))
	}
	// Both are written as a number or as text, and described as text.
	for _, name := range []string{"util.intstr.IntOrString", "api.resource.Quantity"} {
		definition, there := swagger.Definitions["io.k8s.apimachinery.pkg."+name].(object)
		if !there {
			return nil, fmt.Errorf("%s defines no %s", version.version, name)
		}
		definition["type"] = []any{"string", "number"}
	}
	return swagger.Definitions, nil
}

// A file for each kind. Lists are no objects that a chart makes.
func writeKinds(folder string, definitions object) error {
	written := 0
	for name, definition := range definitions {
		kinds, _ := definition.(object)["x-kubernetes-group-version-kind"].([]any)
		// More than one has what belongs to the protocol, such as options of a deletion.
		if len(kinds) != 1 {
			continue
		}
		kind := kinds[0].(object)
		group, version, kindName := kind["group"].(string), kind["version"].(string), kind["kind"].(string)
		if strings.HasSuffix(kindName, "List") {
			continue
		}
		schema := standalone(definitions, name)
		schema["required"] = []any{"apiVersion", "kind", "metadata"}
		if err := writeSchema(folder, group, version, kindName, schema); err != nil {
			return err
		}
		written++
	}
	if written == 0 {
		return fmt.Errorf("no kinds in %s", folder)
	}
	return nil
}

// One definition with all that it leads to.
func standalone(definitions object, name string) object {
	found := object{}
	collect(definitions, name, found)
	return object{
		"$schema":     "http://json-schema.org/draft-07/schema#",
		"allOf":       []any{object{"$ref": reference + name}},
		"definitions": found,
	}
}

func collect(definitions object, name string, found object) {
	if _, there := found[name]; there {
		return
	}
	found[name] = definitions[name]
	for _, next := range references(definitions[name]) {
		collect(definitions, next, found)
	}
}

func references(schema any) []string {
	var names []string
	switch part := schema.(type) {
	case object:
		for key, value := range part {
			if to, isText := value.(string); isText && key == "$ref" {
				names = append(names, strings.TrimPrefix(to, reference))
			}
			names = append(names, references(value)...)
		}
	case []any:
		for _, value := range part {
			names = append(names, references(value)...)
		}
	}
	return names
}

// Allows in objects only what is named, where the schema does not say that others may be there.
func close(schema object) {
	properties, _ := schema["properties"].(object)
	_, others := schema["additionalProperties"]
	open := schema["x-kubernetes-preserve-unknown-fields"] == true || schema["x-kubernetes-embedded-resource"] == true
	if len(properties) > 0 && !others && !open {
		schema["additionalProperties"] = false
	}
	for _, property := range properties {
		close(property.(object))
	}
	for _, key := range []string{"items", "additionalProperties"} {
		if inner, isSchema := schema[key].(object); isSchema {
			close(inner)
		}
	}
	if schema["x-kubernetes-int-or-string"] == true {
		schema["type"] = []any{"string", "integer"}
	} else if one, isOne := schema["type"].(string); isOne && schema["nullable"] == true {
		schema["type"] = []any{one, "null"}
	}
}
