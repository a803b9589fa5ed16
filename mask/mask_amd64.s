//go:build !purego

#include "textflag.h"

// func xorVectors(dst, src *byte, n int, keys uint64)
//
// The first and the last 32 bytes are loaded before anything is stored. Up to 64
// bytes that is all there is, and up to 128 one more block from either end. These
// lengths, where most messages are, take no loop. From 129 bytes the middle is stored
// in whole vectors at multiples of 32, because a store that crosses a cache line
// counts twice and a payload behind a frame header is seldom aligned; the first and
// last blocks are stored after it.
//
// Every load comes before the stores at or after its place, which is what lets dst
// start before src.
//
// DI dst, SI src, DX bytes left, BX address of keys;
// Y0 key at SI, Y1 key at the end, Y2 first block, Y3 last block.
TEXT ·xorVectors(SB), NOSPLIT, $0-32
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ n+16(FP), DX
	LEAQ keys+24(FP), BX
	MOVQ DX, CX
	ANDQ $3, CX
	VPBROADCASTD (BX), Y0
	VPBROADCASTD (BX)(CX*1), Y1
	VPXOR (SI), Y0, Y2
	VPXOR -32(SI)(DX*1), Y1, Y3
	CMPQ DX, $64
	JBE  ends
	CMPQ DX, $128
	JA   align
	VPXOR 32(SI), Y0, Y4
	VPXOR -64(SI)(DX*1), Y1, Y5
	VMOVDQU Y4, 32(DI)
	VMOVDQU Y5, -64(DI)(DX*1)

ends:
	VMOVDQU Y2, (DI)
	VMOVDQU Y3, -32(DI)(DX*1)
	VZEROUPPER
	RET

align:
	MOVQ DI, R8
	LEAQ -32(DI)(DX*1), R9
	MOVQ DI, CX
	NEGQ CX
	ANDQ $31, CX // bytes from dst to the next multiple of 32
	ADDQ CX, DI
	ADDQ CX, SI
	SUBQ CX, DX
	ANDQ $3, CX
	VPBROADCASTD (BX)(CX*1), Y0
	SUBQ $128, DX
	JLT  rest

four:
	VPXOR 0(SI), Y0, Y4
	VPXOR 32(SI), Y0, Y5
	VPXOR 64(SI), Y0, Y6
	VPXOR 96(SI), Y0, Y7
	VMOVDQU Y4, 0(DI)
	VMOVDQU Y5, 32(DI)
	VMOVDQU Y6, 64(DI)
	VMOVDQU Y7, 96(DI)
	ADDQ $128, SI
	ADDQ $128, DI
	SUBQ $128, DX
	JGE  four

rest:
	ADDQ $96, DX
	JLT  finish

one:
	VPXOR (SI), Y0, Y4
	VMOVDQU Y4, (DI)
	ADDQ $32, SI
	ADDQ $32, DI
	SUBQ $32, DX
	JGE  one

finish:
	VMOVDQU Y2, (R8)
	VMOVDQU Y3, (R9)
	VZEROUPPER
	RET
