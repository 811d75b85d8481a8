// Reads YAML as Kubernetes does, which is not as everybody does (0440 is octal), and writes the
// documents as one JSON array. A key that is there twice is an error.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"k8s.io/apimachinery/pkg/util/yaml"
	strict "sigs.k8s.io/yaml"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "manifests:", err)
		os.Exit(1)
	}
}

func run() error {
	documents := []any{}
	reader := yaml.NewYAMLReader(bufio.NewReader(os.Stdin))
	for {
		text, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return json.NewEncoder(os.Stdout).Encode(documents)
		}
		if err != nil {
			return err
		}
		var document any
		if err := strict.UnmarshalStrict(text, &document); err != nil {
			return fmt.Errorf("%w\n%s", err, text)
		}
		if document != nil {
			documents = append(documents, document)
		}
	}
}
