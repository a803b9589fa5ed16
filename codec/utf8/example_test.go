package utf8_test

import (
	"fmt"

	"github.com/wsloop/wsloop/codec/utf8"
)

// A message arrives in three pieces; the cuts lie inside characters.
func ExampleState_Advance() {
	var s utf8.State
	for _, piece := range []string{"na\xC3", "\xAFve \xE2\x82", "\xAC"} {
		var ok bool
		if s, ok = s.Advance([]byte(piece)); !ok {
			fmt.Println("not UTF-8")
			return
		}
		fmt.Println(s.Complete())
	}
	// Output:
	// false
	// false
	// true
}

// A surrogate is refused at its second byte; the third is not needed.
func ExampleState_Advance_failure() {
	_, ok := utf8.State(0).Advance([]byte("\xED\xA0"))
	fmt.Println(ok)
	// Output: false
}
