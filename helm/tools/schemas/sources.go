package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
)

// A Go module that holds schemas as files, and the checksum of its content.
type source struct {
	module, version, sum string
	// Where they are in it.
	folder string
}

// Versions of Kubernetes that the chart is checked against, oldest first.
var kubernetes = []source{
	{"k8s.io/kubernetes", "v1.32.13", "h1:5TGYdZ6YZqdp6h/Rp1vX/4TIoybMPdgv97LCZCtPuNQ=", "api/openapi-spec"},
	{"k8s.io/kubernetes", "v1.34.4", "h1:Yy6R4QB8C9kJPp25GFqEvX5XQwY5qzKeqD0Xx6oAcmk=", "api/openapi-spec"},
	{"k8s.io/kubernetes", "v1.36.3", "h1:qDQdoMiluAE2Eab6Fa52YV+WjiGz9mZFFoagEA6cI+o=", "api/openapi-spec"},
}

// Operators whose definitions are taken from their modules. For those of RabbitMQ and CloudNativePG
// see restated.go.
var operators = []source{
	{"github.com/cert-manager/cert-manager", "v1.21.2", "h1:UWgoYM+KLNtRlqmoWOKjKBOBUPVHeepQ6/ac3ERJW68=", "deploy/crds"},
	{"github.com/prometheus-operator/prometheus-operator", "v0.85.0", "h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s=", "example/prometheus-operator-crd"},
	{"github.com/kedacore/keda/v2", "v2.21.0", "h1:R6z2HZvstK4RLUMxroNACzBj74xGxt3kG59b5Xc+Xps=", "config/crd/bases"},
	{"sigs.k8s.io/gateway-api", "v1.6.3", "h1:lKpJa5bGlraC/QeACvCpsHLdmO6y0iKfzVl6gzaFEYc=", "config/crd/standard"},
}

// The folder of the module's files, which are what the checksum says. Only the module itself is
// fetched, not what it depends on.
func (s source) fetch() (string, error) {
	download := exec.Command("go", "mod", "download", "-json", s.module+"@"+s.version)
	// Outside any module. The checksum is compared here, so nobody else needs to be asked for it.
	download.Dir = os.TempDir()
	download.Env = append(os.Environ(), "GOWORK=off", "GOSUMDB=off", "GOFLAGS=-mod=mod")
	var said bytes.Buffer
	download.Stderr = &said
	output, failed := download.Output()
	var module struct{ Dir, Sum, Error string }
	if err := json.Unmarshal(output, &module); err != nil {
		return "", fmt.Errorf("fetching %s: %v %w\n%s", s.module, failed, err, &said)
	}
	if failed != nil || module.Error != "" {
		return "", fmt.Errorf("fetching %s@%s: %s%s", s.module, s.version, module.Error, &said)
	}
	if module.Sum != s.sum {
		return "", fmt.Errorf("%s@%s is %s, and not %s as it was", s.module, s.version, module.Sum, s.sum)
	}
	return module.Dir, nil
}
