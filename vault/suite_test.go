package vault

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"math/big"
	"strings"
	"testing"

	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/sm3"
	"github.com/emmansun/gmsm/sm4"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// GB/T 32905-2016, appendix A.
func TestSM3GivesTheHashesOfItsStandard(t *testing.T) {
	for text, want := range map[string]string{
		"abc":                      "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0",
		strings.Repeat("abcd", 16): "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732",
	} {
		h := gm.hash()
		h.Write([]byte(text))
		if got := hex.EncodeToString(h.Sum(nil)); got != want {
			t.Errorf("SM3(%q) = %s, want %s", text, got, want)
		}
	}
}

// GB/T 32907-2016, appendix A: one block once and a million times.
func TestSM4GivesTheBlocksOfItsStandard(t *testing.T) {
	key := unhex(t, "0123456789abcdeffedcba9876543210")
	c, err := sm4.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	block := bytes.Clone(key)
	want := map[int]string{1: "681edf34d206965e86b3e94f536e4246", 1e6: "595298c7c6fd271f0402f804c33d3f66"}
	for i := 1; i <= 1e6; i++ {
		c.Encrypt(block, block)
		if w, ok := want[i]; ok && hex.EncodeToString(block) != w {
			t.Errorf("after %d rounds %x, want %s", i, block, w)
		}
	}
	if c.Decrypt(block, unhex(t, want[1])); !bytes.Equal(block, key) {
		t.Errorf("and back: %x", block)
	}
}

// RFC 8998, appendix A.1.
func TestSM4GCMGivesTheTextOfRFC8998(t *testing.T) {
	aead := sm4GCM(unhex(t, "0123456789abcdeffedcba9876543210"))
	nonce, bound := unhex(t, "00001234567800000000abcd"), unhex(t, "feedfacedeadbeeffeedfacedeadbeefabaddad2")
	plain := unhex(t, "aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbccccccccccccccccddddddddddddddddeeeeeeeeeeeeeeeeffffffffffffffffeeeeeeeeeeeeeeeeaaaaaaaaaaaaaaaa")
	want := "17f399f08c67d5ee19d0dc9969c4bb7d5fd46fd3756489069157b282bb200735d82710ca5c22f0ccfa7cbf93d496ac15a56834cbcf98c397b4024a2691233b8d" +
		"83de3541e4c2b58177e065a9bf7b62ec"
	sealed := aead.Seal(nil, nonce, plain, bound)
	if got := hex.EncodeToString(sealed); got != want {
		t.Errorf("sealed %s, want %s", got, want)
	}
	if got, err := aead.Open(nil, nonce, sealed, bound); err != nil || !bytes.Equal(got, plain) {
		t.Errorf("opened %x, %v", got, err)
	}
}

// GM/T 0042-2015, appendix D.3.
func TestHMACSM3GivesTheCodesOfItsStandard(t *testing.T) {
	count := func(n int) (key []byte) {
		for i := 1; i <= n; i++ {
			key = append(key, byte(i))
		}
		return key
	}
	alphabet := "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"
	for _, c := range []struct {
		key, text []byte
		want      string
	}{
		{count(32), []byte(alphabet + alphabet), "ca05e144ed05d1857840d1f318a4a8669e559fc8391f414485bfdf7bb408963a"},
		{count(37), bytes.Repeat([]byte{0xcd}, 50), "220bf579ded555393f0159f66c99877822a3ecf610d1552154b41d44b94db3ae"},
		{bytes.Repeat([]byte{0x0b}, 32), []byte("Hi There"), "c0ba18c68b90c88bc07de794bfc7d2c8d19ec31ed8773bc2b390c9604e0be11e"},
		{[]byte("Jefe"), []byte("what do ya want for nothing?"), "2e87f1d16862e6d964b50a5200bf2b10b764faa9680a296a2405f24bec39f882"},
	} {
		if got := gm.macPool(c.key).sum(c.text); hex.EncodeToString(got[:]) != c.want {
			t.Errorf("HMAC-SM3(%x, %q) = %x, want %s", c.key, c.text, got, c.want)
		}
	}
}

// NIST GCM specification, test case 16, and RFC 4231, test case 2.
func TestTheInternationalSuiteGivesThePublishedTexts(t *testing.T) {
	aead := intl.aead(unhex(t, "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308"))
	plain := unhex(t, "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39")
	want := "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662" +
		"76fc6ece0f4e1768cddf8853bb2d551b"
	if got := hex.EncodeToString(aead.Seal(nil, unhex(t, "cafebabefacedbaddecaf888"), plain, unhex(t, "feedfacedeadbeeffeedfacedeadbeefabaddad2"))); got != want {
		t.Errorf("sealed %s, want %s", got, want)
	}
	mac := intl.macPool([]byte("Jefe")).sum([]byte("what do ya want for nothing?"))
	if got := hex.EncodeToString(mac[:]); got != "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843" {
		t.Errorf("HMAC-SHA-256 %s", got)
	}
}

func TestAKeyOpensWhatEitherSuiteSealed(t *testing.T) {
	key := bytes.Repeat([]byte{5}, keySize)
	for _, seals := range suites {
		sealed, err := seals.sealKey(3, key).seal(rand.Reader, []byte("plain"), []byte("bound"))
		if err != nil || sealed[0] != seals.id {
			t.Fatalf("%s: head %x, %v", seals.name, sealed[:1], err)
		}
		for _, opens := range suites {
			if got, err := opens.sealKey(3, key).open(sealed, []byte("bound")); err != nil || string(got) != "plain" {
				t.Errorf("sealed as %s, opened as %s: %q, %v", seals.name, opens.name, got, err)
			}
		}
		for id := range 256 { // a suite can not be passed off as another
			other := bytes.Clone(sealed)
			other[0] = byte(id)
			if _, err := seals.sealKey(3, key).open(other, []byte("bound")); (err == nil) != (byte(id) == seals.id) || err != nil && !errors.Is(err, ErrWrongKey) {
				t.Errorf("%s passed off as suite %d: %v", seals.name, id, err)
			}
		}
	}
	if id := [2]byte{intl.id, gm.id}; id != [2]byte{1, 2} {
		t.Errorf("ids %v are in stored data: 1 and 2", id)
	}
}

func TestTheGMKeyIsNotPartOfTheKey(t *testing.T) {
	key := bytes.Repeat([]byte{5}, keySize)
	mac := hmac.New(sm3.New, key) // HKDF-Expand of one block
	mac.Write([]byte("sm4-gcm\x01"))
	nonce := make([]byte, nonceSize)
	want := sm4GCM(mac.Sum(nil)[:16]).Seal(nil, nonce, []byte("x"), nil)
	if got := gm.aead(key).Seal(nil, nonce, []byte("x"), nil); !bytes.Equal(got, want) {
		t.Errorf("sealed %x, want %x: what is stored would not open", got, want)
	}
}

// Or whoever forges key numbers has all keys unwrapped for each.
func TestTheKeyringIsTakenOverOnlyWhenItHasChanged(t *testing.T) {
	dir := t.TempDir()
	v, err := Open(dir, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	other, err := Open(dir, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if changed, err := v.ring.refresh(); changed || err != nil {
			t.Fatalf("taken over though nobody changed it: %v", err)
		}
		if _, err := other.Rotate("session"); err != nil {
			t.Fatal(err)
		}
		if changed, err := v.ring.refresh(); !changed || err != nil {
			t.Fatalf("not taken over though another process changed it: %v", err)
		}
	}
}

// GM/T 0003.5-2012: the key pair of its examples.
const sm2Example = "3945208f7b2144b13f36e38ac6d39f95889393692860b51a42fb81ef4df7c5b8"

// GM/T 0003.5-2012, annex C.
func TestSM2OpensTheCiphertextOfItsStandard(t *testing.T) {
	key, err := sm2.NewPrivateKey(unhex(t, sm2Example))
	if err != nil {
		t.Fatal(err)
	}
	c1 := "0404ebfc718e8d1798620432268e77feb6415e2ede0e073c0f4f640ecd2e149a73e858f9d81e5430a57b36daab8f950a3c64e6ee6a63094d99283aff767e124df0"
	c3 := "59983c18f809e262923c53aec295d30383b54e39d609d160afcb1908d0bd8766"
	c2 := "21886ca989ca9c7d58087307ca93092d651efa"
	if got, err := sm2.Decrypt(key, unhex(t, c1+c3+c2)); err != nil || string(got) != "encryption standard" {
		t.Errorf("opened %q, %v", got, err)
	}
}

// GM/T 0003.5-2012, annex A.
func TestSM2VerifiesTheSignatureOfItsStandard(t *testing.T) {
	key, err := sm2.NewPrivateKey(unhex(t, sm2Example))
	if err != nil {
		t.Fatal(err)
	}
	signature, err := asn1.Marshal(struct{ R, S *big.Int }{
		new(big.Int).SetBytes(unhex(t, "f5a03b0648d2c4630eeac513e1bb81a15944da3827d5b74143ac7eaceee720b3")),
		new(big.Int).SetBytes(unhex(t, "b1b6aa29df212fd8763182bc0d421ca1bb9038fd1f7f42d4840b69c485bbc1aa")),
	})
	if err != nil {
		t.Fatal(err)
	}
	id := []byte("1234567812345678")
	if !sm2.VerifyASN1WithSM2(&key.PublicKey, id, []byte("message digest"), signature) {
		t.Error("not verified")
	}
	if sm2.VerifyASN1WithSM2(&key.PublicKey, id, []byte("message digesu"), signature) {
		t.Error("verified for another message")
	}
}
