package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"runtime/debug"
	"strings"
)

// driver is the program that runs this one: it says when a round begins and reads the results.
type driver struct {
	in  *bufio.Scanner
	out *json.Encoder
}

func newDriver(in io.Reader, out io.Writer) *driver {
	return &driver{in: bufio.NewScanner(in), out: json.NewEncoder(out)}
}

// ready tells that everything is connected, and which modules do the work.
func (d *driver) ready(modules ...string) error {
	return d.out.Encode(map[string]any{"ready": true, "library": versions(modules)})
}

// rounds runs one round at each "go", until standard input ends.
func (d *driver) rounds(round func() (any, error)) error {
	for d.in.Scan() {
		if line := strings.TrimSpace(d.in.Text()); line != "go" {
			return fmt.Errorf("the driver said %q instead of \"go\"", line)
		}
		result, err := round()
		if err != nil {
			return err
		}
		if err := d.out.Encode(result); err != nil {
			return err
		}
	}
	return d.in.Err()
}

// ended is closed when standard input ends.
func (d *driver) ended() <-chan struct{} {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for d.in.Scan() {
		}
	}()
	return ended
}

// versions are those this program was built with, as "name version, name version".
func versions(modules []string) string {
	build, _ := debug.ReadBuildInfo()
	var told []string
	for _, module := range modules {
		version := "unknown"
		if build != nil {
			for _, dependency := range build.Deps {
				if dependency.Path == module {
					version = strings.TrimPrefix(dependency.Version, "v")
				}
			}
		}
		told = append(told, name(module)+" "+version)
	}
	return strings.Join(told, ", ")
}

// name of a module is its last part that is not a major version: watermill-amqp of …/watermill-amqp/v3.
func name(module string) string {
	parts := strings.Split(module, "/")
	last := parts[len(parts)-1]
	if len(parts) > 1 && len(last) == 2 && last[0] == 'v' {
		return parts[len(parts)-2]
	}
	return last
}
