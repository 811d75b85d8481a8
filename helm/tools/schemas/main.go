// Makes what Kubernetes and the operators say of their objects into files: JSON schemas for
// kubeconform, and CustomResourceDefinitions for an API server.
//
// The argument is a folder. What is made goes into a folder below it that is named by this program,
// so that it is made once, and its name is printed.
package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// A JSON document, or a part of one.
type object = map[string]any

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: schemas <folder>")
		os.Exit(2)
	}
	made, err := run(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, "schemas:", err)
		os.Exit(1)
	}
	fmt.Println(made)
}

func run(folder string) (string, error) {
	name, err := ownName()
	if err != nil {
		return "", err
	}
	made := filepath.Join(folder, name)
	if _, err := os.Stat(made); err == nil {
		return made, nil
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", err
	}
	unfinished, err := os.MkdirTemp(folder, "unfinished-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(unfinished)
	if err := makeAll(unfinished); err != nil {
		return "", err
	}
	// Whoever is first has made it: all make the same.
	if err := os.Rename(unfinished, made); err != nil {
		if _, there := os.Stat(made); there != nil {
			return "", err
		}
	}
	return made, nil
}

func makeAll(folder string) error {
	var metadata object
	for _, version := range kubernetes {
		definitions, err := kubernetesDefinitions(version)
		if err != nil {
			return err
		}
		if err := writeKinds(filepath.Join(folder, version.version), definitions); err != nil {
			return err
		}
		metadata = standalone(definitions, "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta")
	}
	for _, operator := range operators {
		definitions, err := operatorDefinitions(operator)
		if err != nil {
			return err
		}
		if err := writeResources(folder, definitions, metadata); err != nil {
			return fmt.Errorf("%s: %w", operator.module, err)
		}
	}
	definitions, err := restatedDefinitions()
	if err != nil {
		return err
	}
	return writeResources(folder, definitions, metadata)
}

// This program as a name: another program makes other files.
func ownName() (string, error) {
	path, err := os.Executable()
	if err != nil {
		return "", err
	}
	program, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%x", sha256.Sum256(program))[:16], nil
}

// A schema's file is <group>/<kind>-<version>.json in small letters; a group that has no name is
// called by its version.
func writeSchema(folder, group, version, kind string, schema object) error {
	if group == "" {
		group = version
	}
	name := fmt.Sprintf("%s-%s.json", strings.ToLower(kind), version)
	return write(filepath.Join(folder, group, name), schema)
}

func write(path string, document object) error {
	text, err := json.Marshal(document)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o644)
}
