//go:build amd64 && !purego

#include "textflag.h"

// Y3 gathers the faults; Y4 to Y6 are the rows of nibbleFaults, Y7 to Y10 are scanBytes.

// CHECK adds the faults of the 32 bytes in IN to Y3. Y11 holds the bytes from 16 before IN
// to 16 behind its beginning, so that in each half of it and IN together, VPALIGNR finds
// the bytes that stand 1, 2 and 3 places before those of IN. It uses Y12 to Y14.
#define CHECK(IN) \
	VPALIGNR $15, Y11, IN, Y12 \ // the first bytes of the pairs
	VPSRLW   $4, Y12, Y13      \
	VPAND    Y7, Y12, Y12      \
	VPAND    Y7, Y13, Y13      \
	VPSHUFB  Y13, Y4, Y13      \
	VPSHUFB  Y12, Y5, Y12      \
	VPSRLW   $4, IN, Y14       \
	VPAND    Y7, Y14, Y14      \
	VPSHUFB  Y14, Y6, Y14      \
	VPAND    Y12, Y13, Y13     \
	VPAND    Y14, Y13, Y13     \ // the faults of the pairs
	VPALIGNR $14, Y11, IN, Y12 \
	VPALIGNR $13, Y11, IN, Y14 \
	VPSUBUSB Y8, Y12, Y12      \ // a lead byte of three or four, two places before
	VPSUBUSB Y9, Y14, Y14      \ // a lead byte of four, three places before
	VPOR     Y12, Y14, Y14     \
	VPAND    Y10, Y14, Y14     \ // a second or third continuation byte is due
	VPXOR    Y13, Y14, Y14     \
	VPOR     Y14, Y3, Y3

// func scanAVX2(b []byte) bool
//
// AX is the place reached, DX the beginning of the last 32 bytes, which are taken with an
// overlap, R8 and R9 the last places with 128 and with 64 bytes left. All comparisons are
// signed: R8 and R9 may lie before b.
TEXT ·scanAVX2(SB), NOSPLIT, $0-25
	MOVQ b_base+0(FP), AX
	MOVQ b_len+8(FP), DX
	ADDQ AX, DX
	LEAQ -128(DX), R8
	LEAQ -64(DX), R9
	SUBQ $32, DX

// In front of AX is no fault, and a boundary.
ascii128:
	CMPQ AX, R8
	JGT  ascii32
	VMOVDQU (AX), Y0
	VMOVDQU 64(AX), Y1
	VPOR 32(AX), Y0, Y0
	VPOR 96(AX), Y1, Y1
	VPOR Y0, Y1, Y0
	VPMOVMSKB Y0, BX
	TESTL BX, BX
	JNZ  ascii32
	ADDQ $128, AX
	JMP  ascii128

// Less than 128 bytes are left, or there is something else than ASCII among the next 128.
ascii32:
	CMPQ AX, DX
	JGT  asciiLast
	VMOVDQU (AX), Y0
	VPMOVMSKB Y0, BX
	TESTL BX, BX
	JNZ  mixed
	ADDQ $32, AX
	JMP  ascii32

asciiLast:
	VMOVDQU (DX), Y0
	VPMOVMSKB Y0, BX
	TESTL BX, BX
	JNZ  mixed
	MOVB $1, ret+24(FP)
	VZEROUPPER
	RET

// Something beyond ASCII is in Y0, the block at AX, or in the last block if AX is past DX.
mixed:
	VPXOR Y3, Y3, Y3
	VBROADCASTI128 ·nibbleFaults+0(SB), Y4
	VBROADCASTI128 ·nibbleFaults+16(SB), Y5
	VBROADCASTI128 ·nibbleFaults+32(SB), Y6
	VPBROADCASTB ·scanBytes+0(SB), Y7
	VPBROADCASTB ·scanBytes+1(SB), Y8
	VPBROADCASTB ·scanBytes+2(SB), Y9
	VPBROADCASTB ·scanBytes+3(SB), Y10
	CMPQ AX, DX
	JGT  last

	// Before the first block stand zeros, which do for the boundary or the ASCII there.
	VPERM2I128 $0x08, Y0, Y0, Y11
	CHECK(Y0)
	ADDQ $32, AX

mixed64:
	CMPQ AX, R9
	JGT  mixed32
	VMOVDQU (AX), Y0
	VMOVDQU 32(AX), Y1
	VMOVDQU -16(AX), Y11
	VPOR Y0, Y1, Y2
	VPMOVMSKB Y2, BX
	TESTL BX, BX
	JZ   leave
	CHECK(Y0)
	VMOVDQU 16(AX), Y11
	CHECK(Y1)
	ADDQ $64, AX
	JMP  mixed64

// Two blocks of ASCII. The first is still checked, since it may cut a character short.
leave:
	CHECK(Y0)
	ADDQ $32, AX
	VPTEST Y3, Y3
	JZ   ascii128
	JMP  done

mixed32:
	CMPQ AX, DX
	JGT  last
	VMOVDQU (AX), Y0
	VMOVDQU -16(AX), Y11
	CHECK(Y0)
	ADDQ $32, AX

// Less than 32 bytes are left. The last block begins among bytes that were checked, at
// least 4 behind the beginning of b: those 4 are all that Y11 needs in front of it.
last:
	VMOVDQU (DX), Y0
	VPBROADCASTD -4(DX), Y11
	VPERM2I128 $0x20, Y0, Y11, Y11
	CHECK(Y0)

done:
	VPTEST Y3, Y3
	SETEQ ret+24(FP)
	VZEROUPPER
	RET

// Z3 gathers the faults; Z4 to Z6 are the rows of nibbleFaults, four times each, Z8 to Z10 are scanBytes.

// FAULTS adds the faults of the 64 bytes in IN to Z3. P1 to P3 hold the bytes that stand 1, 2 and 3 places
// before them, and are used up. VPERMB looks at six bits of an index; with the rows repeated
// the upper two do not matter, so nibbles need no mask.
#define FAULTS(IN, P1, P2, P3) \
	VPSRLW     $4, P1, Z14              \
	VPSRLW     $4, IN, Z15              \
	VPERMB     Z4, Z14, Z14             \
	VPERMB     Z5, P1, P1               \
	VPERMB     Z6, Z15, Z15             \
	VPTERNLOGD $0x80, Z14, Z15, P1      \ // P1 & Z14 & Z15: the faults of the pairs
	VPSUBUSB   Z8, P2, P2               \ // a lead byte of three or four, two places before
	VPSUBUSB   Z9, P3, P3               \ // a lead byte of four, three places before
	VPTERNLOGD $0xA8, Z10, P2, P3       \ // (P3 | P2) & Z10: a second or third continuation byte is due
	VPTERNLOGD $0xF6, P1, P3, Z3           // Z3 | P3 ^ P1

// CHECK64 adds the faults of the 64 bytes in IN, which were read at AX+AT.
#define CHECK64(IN, AT) \
	VMOVDQU64 AT-1(AX), Z11 \
	VMOVDQU64 AT-2(AX), Z12 \
	VMOVDQU64 AT-3(AX), Z13 \
	FAULTS(IN, Z11, Z12, Z13)

// func scanAVX512(b []byte) bool
//
// AX is the place reached, CX the beginning, DX that of the last 64 bytes, which are taken with an overlap,
// R8 the last place with 128 bytes left.
TEXT ·scanAVX512(SB), NOSPLIT, $0-25
	MOVQ b_base+0(FP), AX
	MOVQ b_len+8(FP), DX
	MOVQ AX, CX
	LEAQ -64(AX)(DX*1), DX
	LEAQ -64(DX), R8

// In front of AX is nothing but ASCII.
leading:
	CMPQ AX, R8
	JGT  leadingLast
	VMOVDQU64 (AX), Z0
	VPORQ 64(AX), Z0, Z1
	VPMOVB2M Z1, K1
	KTESTQ K1, K1
	JNZ  begin
	ADDQ $128, AX
	JMP  leading

leadingLast:
	VMOVDQU64 (R8), Z0
	VPORQ 64(R8), Z0, Z1
	VPMOVB2M Z1, K1
	KTESTQ K1, K1
	JZ   right

// Something beyond ASCII is among the next bytes.
begin:
	VPXORQ Z3, Z3, Z3
	VBROADCASTI32X4 ·nibbleFaults+0(SB), Z4
	VBROADCASTI32X4 ·nibbleFaults+16(SB), Z5
	VBROADCASTI32X4 ·nibbleFaults+32(SB), Z6
	VPBROADCASTB ·scanBytes+1(SB), Z8
	VPBROADCASTB ·scanBytes+2(SB), Z9
	VPBROADCASTB ·scanBytes+3(SB), Z10
	CMPQ AX, CX
	JNE  mixed128

	// Before the first block stand zeros, which do for the boundary there.
	VALIGNQ $6, Z3, Z0, Z2
	VPALIGNR $15, Z2, Z0, Z11
	VPALIGNR $14, Z2, Z0, Z12
	VPALIGNR $13, Z2, Z0, Z13
	FAULTS(Z0, Z11, Z12, Z13)
	ADDQ $64, AX

mixed128:
	CMPQ AX, R8
	JGT  tail
	VMOVDQU64 (AX), Z0
	VMOVDQU64 64(AX), Z1
	VPORQ Z0, Z1, Z2
	VPMOVB2M Z2, K1
	KTESTQ K1, K1
	JZ   leave128
	CHECK64(Z0, 0)
	CHECK64(Z1, 64)
	ADDQ $128, AX
	JMP  mixed128

// Two blocks of ASCII. The first is still checked, since it may cut a character short.
leave128:
	CHECK64(Z0, 0)
	ADDQ $128, AX
	VPTESTMB Z3, Z3, K1
	KTESTQ K1, K1
	JNZ  wrong

// In front of AX is no fault, and ASCII.
ascii512:
	CMPQ AX, R8
	JGT  tail
	VMOVDQU64 (AX), Z0
	VPORQ 64(AX), Z0, Z0
	VPMOVB2M Z0, K1
	KTESTQ K1, K1
	JNZ  mixed128
	ADDQ $128, AX
	JMP  ascii512

// Less than 128 bytes are left.
tail:
	CMPQ AX, DX
	JGT  last64
	VMOVDQU64 (AX), Z0
	CHECK64(Z0, 0)

last64:
	MOVQ DX, AX
	VMOVDQU64 (AX), Z0
	CHECK64(Z0, 0)
	VPTESTMB Z3, Z3, K1
	KTESTQ K1, K1
	JNZ  wrong

right:
	MOVB $1, ret+24(FP)
	VZEROUPPER
	RET

wrong:
	MOVB $0, ret+24(FP)
	VZEROUPPER
	RET
