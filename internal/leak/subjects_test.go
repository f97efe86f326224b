package leak

import (
	"fmt"

	"github.com/venuecode/venuecode/venue/registry"
)

// subjects are rows of the register with somebody's values in the wrong columns.
func subjects(o *out) {
	id := people[0].IDNumber
	for i, f := range []registry.SubjectForm{
		{Name: id + "\x00", USCC: id, Division: id, State: id, Category: id, Until: id},
		{Name: people[0].Name + "\u202e", Address: id + "\u200b", Sector: people[0].Phone + "\x01", Type: id + "\x02", Exempt: id + "\x03"},
	} {
		_, _, faults := f.Check()
		for _, fault := range faults {
			o.failure(fmt.Sprint("row ", i, " ", fault.Field), fault)
		}
	}
}

// registers: both halves of the register.
func registers(o *out) {
	applications(o)
	subjects(o)
}
