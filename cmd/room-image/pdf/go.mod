module officiant/cmd/room-image/pdf

go 1.26

require (
	codeberg.org/go-pdf/fpdf v0.12.0
	golang.org/x/image v0.40.0
)
