module github.com/scimbridge/scimbridge/test/deploy

go 1.26.0

replace github.com/scimbridge/scimbridge => ../..

require (
	github.com/google/go-containerregistry v0.22.1
	github.com/scimbridge/scimbridge v0.0.0-00010101000000-000000000000
	golang.org/x/sys v0.50.0
)

require (
	github.com/klauspost/compress v1.20.4 // indirect
	github.com/opencontainers/go-digest v1.0.0 // indirect
	github.com/opencontainers/image-spec v1.1.1 // indirect
	golang.org/x/sync v0.24.0 // indirect
	golang.org/x/tools v0.51.0 // indirect
)
