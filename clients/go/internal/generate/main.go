// Command generate makes the Go code of the contract from the exported descriptor set.
//
// No compiler of .proto files is needed: the set is what such a compiler would have handed to the
// plugins. These are pinned in go.mod and built by `go tool`.
package main

import (
	"bytes"
	"fmt"
	"go/format"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"text/template"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"

	"outcry.example/client/internal/schema"
)

const (
	// defaultFolder is where the schema is unless OUTCRY_SCHEMA names another folder.
	defaultFolder = "../schema"
	// module is the name of this module: the plugins leave it out of the names of files.
	module = "outcry.example/client"
	// own begins the names of the files that code is made of. Other imports have Go modules.
	own = "outcry/"
	// rules is the file of protovalidate's rules, and rulesPackage the Go code its authors publish.
	rules        = "buf/validate/validate.proto"
	rulesPackage = "buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
)

var plugins = []string{"protoc-gen-go", "protoc-gen-go-grpc"}

func main() {
	folder := os.Getenv("OUTCRY_SCHEMA")
	if folder == "" {
		folder = defaultFolder
	}
	if err := generate(folder); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func generate(folder string) error {
	export, err := schema.Read(folder)
	if err != nil {
		return err
	}
	request, packages, err := request(export.Files)
	if err != nil {
		return err
	}
	if err := os.RemoveAll("gen"); err != nil {
		return err
	}
	for _, plugin := range plugins {
		if err := run(plugin, request); err != nil {
			return fmt.Errorf("%s: %w", plugin, err)
		}
	}
	return writeCatalog(export.Events, packages)
}

// request is what the plugins are asked, and the Go packages they will write.
func request(set *descriptorpb.FileDescriptorSet) ([]byte, []string, error) {
	parameters := []string{"module=" + module, "M" + rules + "=" + rulesPackage}
	question := &pluginpb.CodeGeneratorRequest{}
	var packages []string
	for _, file := range set.GetFile() {
		name := file.GetName()
		if !strings.HasPrefix(name, own) {
			continue
		}
		question.FileToGenerate = append(question.FileToGenerate, name)
		folder := module + "/gen/" + path.Dir(name)
		parameters = append(parameters, "M"+name+"="+folder+";"+shortName(path.Dir(name)))
		if !slices.Contains(packages, folder) {
			packages = append(packages, folder)
		}
	}
	parameter := strings.Join(parameters, ",")
	question.Parameter = &parameter
	var err error
	if question.ProtoFile, err = importsFirst(set.GetFile()); err != nil {
		return nil, nil, err
	}
	slices.Sort(packages)
	bytes, err := proto.Marshal(question)
	return bytes, packages, err
}

// shortName makes `ordersv1` of `outcry/orders/v1`.
func shortName(folder string) string {
	return path.Base(path.Dir(folder)) + path.Base(folder)
}

// importsFirst sorts files as the plugins want them.
func importsFirst(files []*descriptorpb.FileDescriptorProto) ([]*descriptorpb.FileDescriptorProto, error) {
	byName := map[string]*descriptorpb.FileDescriptorProto{}
	for _, file := range files {
		byName[file.GetName()] = file
	}
	var sorted []*descriptorpb.FileDescriptorProto
	placed := map[string]bool{}
	var place func(name string) error
	place = func(name string) error {
		if placed[name] {
			return nil
		}
		placed[name] = true
		file, known := byName[name]
		if !known {
			return fmt.Errorf("outcry.binpb lacks the import %s", name)
		}
		for _, dependency := range file.GetDependency() {
			if err := place(dependency); err != nil {
				return err
			}
		}
		sorted = append(sorted, file)
		return nil
	}
	for _, file := range files {
		if err := place(file.GetName()); err != nil {
			return nil, err
		}
	}
	return sorted, nil
}

// run asks one plugin and writes the files it answers with.
func run(plugin string, request []byte) error {
	command := exec.Command("go", "tool", plugin)
	command.Stdin = bytes.NewReader(request)
	command.Stderr = os.Stderr
	output, err := command.Output()
	if err != nil {
		return err
	}
	var answer pluginpb.CodeGeneratorResponse
	if err := proto.Unmarshal(output, &answer); err != nil {
		return err
	}
	if answer.Error != nil {
		return fmt.Errorf("%s", answer.GetError())
	}
	for _, file := range answer.GetFile() {
		if err := write(file.GetName(), []byte(file.GetContent())); err != nil {
			return err
		}
	}
	return nil
}

var catalog = template.Must(template.New("catalog").Parse(`// Code generated from catalog.json. DO NOT EDIT.

// Package catalog lists the event types of the schema this module was built from, and links the
// Go types of the whole contract into the program.
package catalog

import (
{{range .Packages}}	_ "{{.}}"
{{end}})

// Event is an event type.
type Event struct {
	// Topic is its routing key.
	Topic string
	// Version is the major version of its contract.
	Version uint32
	// Fingerprint is the hash of the file it is declared in and all that this imports.
	Fingerprint string
}

// Events are all event types by full name.
var Events = map[string]Event{
{{range .Events}}	{{printf "%q" .FullName}}: {Topic: {{printf "%q" .Topic}}, Version: {{.Version}}, Fingerprint: {{printf "%q" .Fingerprint}}},
{{end}}}
`))

func writeCatalog(events []schema.Event, packages []string) error {
	var text bytes.Buffer
	values := struct {
		Events   []schema.Event
		Packages []string
	}{events, packages}
	if err := catalog.Execute(&text, values); err != nil {
		return err
	}
	formatted, err := format.Source(text.Bytes())
	if err != nil {
		return err
	}
	return write("gen/catalog/catalog.go", formatted)
}

func write(name string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	return os.WriteFile(name, content, 0o644)
}
