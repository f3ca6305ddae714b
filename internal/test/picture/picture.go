// Package picture keeps the pictures of pages that the documents show: it makes them small, and holds that they are
// what they are said to be. How a page looks is for people to see. Only tests import it.
package picture

import (
	"bytes"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	// Width of a picture, in pixels.
	Width = 1200
	// largest keeps the repository small, in bytes.
	largest = 120 << 10
)

// Write writes a screenshot, which is a PNG, to a file.
func Write(t testing.TB, path string, screenshot []byte) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, reduced(t, screenshot), 0o644))
}

// reduced gives a picture with the 48 colours that most of it has, which is a third of the size.
func reduced(t testing.TB, screenshot []byte) []byte {
	t.Helper()
	full, err := png.Decode(bytes.NewReader(screenshot))
	require.NoError(t, err)
	area := full.Bounds()
	count := map[color.Color]int{}
	for y := range area.Dy() {
		for x := range area.Dx() {
			count[full.At(x, y)]++
		}
	}
	colours := slices.SortedFunc(maps.Keys(count), func(a, b color.Color) int { return count[b] - count[a] })
	fewer := image.NewPaletted(area, colours[:min(len(colours), 48)])
	draw.Draw(fewer, area, full, area.Min, draw.Src)
	var out bytes.Buffer
	require.NoError(t, (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&out, fewer))
	return out.Bytes()
}

// Check asserts that a file holds a picture of a page in a scheme, light or dark, and is small.
func Check(t testing.TB, path, scheme string) {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	shown, err := png.Decode(bytes.NewReader(content))
	require.NoError(t, err)
	assert.Equal(t, Width, shown.Bounds().Dx(), path)
	corner := color.GrayModel.Convert(shown.At(0, 0)).(color.Gray).Y
	assert.Equal(t, scheme == "dark", corner < 128, "%s has a ground of %d", path, corner)
	assert.Less(t, len(content), largest, path)
}
