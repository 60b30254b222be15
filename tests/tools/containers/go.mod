module containers

go 1.22.0

require (
	github.com/compose-spec/compose-go/v2 v2.4.7
	github.com/moby/buildkit v0.18.2
)
