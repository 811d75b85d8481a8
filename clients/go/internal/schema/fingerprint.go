// Package schema reads what `outcry schema export` has written.
package schema

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
)

const (
	// setFile is the field of a FileDescriptorSet that holds its files.
	setFile protowire.Number = 1
	// fileSourceInfo is the field of a file with comments and positions.
	fileSourceInfo protowire.Number = 9
)

// Fingerprints are the hashes of the files of a compiled contract.
type Fingerprints struct {
	files   map[string][]byte
	imports map[string][]string
}

// ReadFingerprints reads a serialised FileDescriptorSet.
//
// It works on the bytes as they are: decoding and encoding again could move options about.
func ReadFingerprints(set []byte) (*Fingerprints, error) {
	read := &Fingerprints{files: map[string][]byte{}, imports: map[string][]string{}}
	err := eachField(set, func(number protowire.Number, _, value []byte) error {
		if number != setFile {
			return nil
		}
		var file descriptorpb.FileDescriptorProto
		if err := proto.Unmarshal(value, &file); err != nil {
			return err
		}
		bare, err := without(value, fileSourceInfo)
		if err != nil {
			return err
		}
		read.files[file.GetName()] = bare
		read.imports[file.GetName()] = file.GetDependency()
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("not a descriptor set: %w", err)
	}
	return read, nil
}

// Of is the SHA-256, in hexadecimal, of the set of the file and everything it imports, directly
// or not, sorted by name, each without its comments.
func (f *Fingerprints) Of(file string) (string, error) {
	closure := map[string][]byte{}
	if err := f.collect(file, closure); err != nil {
		return "", err
	}
	hash := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(closure)) {
		head := protowire.AppendTag(nil, setFile, protowire.BytesType)
		hash.Write(protowire.AppendVarint(head, uint64(len(closure[name]))))
		hash.Write(closure[name])
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

func (f *Fingerprints) collect(file string, closure map[string][]byte) error {
	bytes, known := f.files[file]
	if !known {
		return fmt.Errorf("%s is not in the descriptor set", file)
	}
	if _, done := closure[file]; done {
		return nil
	}
	closure[file] = bytes
	for _, name := range f.imports[file] {
		if err := f.collect(name, closure); err != nil {
			return err
		}
	}
	return nil
}

// without leaves one field out of a serialised message.
func without(message []byte, left protowire.Number) ([]byte, error) {
	var kept []byte
	err := eachField(message, func(number protowire.Number, whole, _ []byte) error {
		if number != left {
			kept = append(kept, whole...)
		}
		return nil
	})
	return kept, err
}

// eachField gives every field of a serialised message: whole, and its value if that is bytes.
func eachField(message []byte, visit func(number protowire.Number, whole, value []byte) error) error {
	for len(message) > 0 {
		number, kind, head := protowire.ConsumeTag(message)
		if head < 0 {
			return protowire.ParseError(head)
		}
		body := protowire.ConsumeFieldValue(number, kind, message[head:])
		if body < 0 {
			return protowire.ParseError(body)
		}
		var value []byte
		if kind == protowire.BytesType {
			value, _ = protowire.ConsumeBytes(message[head:])
		}
		if err := visit(number, message[:head+body], value); err != nil {
			return err
		}
		message = message[head+body:]
	}
	return nil
}
