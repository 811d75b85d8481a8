package outcry

//go:generate go run ./internal/generate
