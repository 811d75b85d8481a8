package schema

import (
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
)

// fingerprintOf is that of a.proto, which imports b.proto.
func fingerprintOf(t *testing.T, edit func(a, b *descriptorpb.FileDescriptorProto)) string {
	t.Helper()
	a := &descriptorpb.FileDescriptorProto{Name: proto.String("a.proto"), Dependency: []string{"b.proto"}}
	b := &descriptorpb.FileDescriptorProto{Name: proto.String("b.proto"), Package: proto.String("b")}
	edit(a, b)
	set, err := proto.Marshal(&descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{a, b}})
	if err != nil {
		t.Fatal(err)
	}
	read, err := ReadFingerprints(set)
	if err != nil {
		t.Fatal(err)
	}
	fingerprint, err := read.Of("a.proto")
	if err != nil {
		t.Fatal(err)
	}
	return fingerprint
}

func TestCommentsDoNotChangeAFingerprintButImportsDo(t *testing.T) {
	plain := fingerprintOf(t, func(_, _ *descriptorpb.FileDescriptorProto) {})
	commented := fingerprintOf(t, func(a, _ *descriptorpb.FileDescriptorProto) {
		a.SourceCodeInfo = &descriptorpb.SourceCodeInfo{
			Location: []*descriptorpb.SourceCodeInfo_Location{{LeadingComments: proto.String("A remark.")}},
		}
	})
	if commented != plain {
		t.Error("a comment changed the fingerprint")
	}
	imported := fingerprintOf(t, func(_, b *descriptorpb.FileDescriptorProto) {
		b.Options = &descriptorpb.FileOptions{Deprecated: proto.Bool(true)}
	})
	if imported == plain {
		t.Error("a change of an import did not change the fingerprint")
	}
}

func TestAMissingImportHasNoFingerprint(t *testing.T) {
	set, err := proto.Marshal(&descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{
		{Name: proto.String("a.proto"), Dependency: []string{"b.proto"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	read, err := ReadFingerprints(set)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := read.Of("a.proto"); err == nil {
		t.Error("a file without its import has a fingerprint")
	}
	if _, err := ReadFingerprints([]byte("not a set")); err == nil {
		t.Error("text was read as a descriptor set")
	}
}
