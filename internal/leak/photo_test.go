package leak

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/jpeg"

	"github.com/venuecode/venuecode/photo"
)

// photos: what a camera, or somebody, writes beside a picture is not carried over.
func photos(o *out) {
	var picture bytes.Buffer
	if err := jpeg.Encode(&picture, image.NewRGBA(image.Rect(0, 0, 64, 48)), nil); err != nil {
		o.Fatal(err)
	}
	for what, secret := range secrets {
		comment := binary.BigEndian.AppendUint16([]byte{0xff, 0xd8, 0xff, 0xfe}, uint16(len(secret)+2))
		b := append(append(comment, secret...), picture.Bytes()[2:]...)
		kept, err := photo.Clean(append(b, secret...))
		o.maybe(what, err)
		o.text(what+" beside a picture", kept)
		_, err = photo.Clean([]byte("\xff\xd8\xff" + secret))
		o.failure(what+" as a picture", err)
	}
}
