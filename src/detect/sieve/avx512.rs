//! The first filter with AVX-512: 64 positions at once.

use std::arch::x86_64::{
    __m128i, __m512i, _mm_loadu_si128, _mm512_and_si512, _mm512_broadcast_i32x4, _mm512_loadu_si512,
    _mm512_movepi8_mask, _mm512_or_si512, _mm512_set1_epi8, _mm512_setzero_si512, _mm512_shuffle_epi8,
    _mm512_srli_epi16, _mm512_test_epi8_mask,
};
use std::ops::Range;

use super::{GROUPS, Halves, Masks, Passed};
use crate::detect::gram::LEN;

/// Positions that one step looks at.
const STEP: usize = size_of::<__m512i>();

/// Appends the positions in `range` that pass, counted from its start, and returns up to where it has looked: the end of
/// `range`, or up to 66 bytes before it where the buffer ends.
#[target_feature(enable = "avx512f,avx512bw,bmi1,popcnt")]
pub fn sift(masks: &Masks, buffer: &[u8], range: Range<usize>, passed: &mut Passed) -> usize {
    let groups = masks.0.map(|group| group.map(|halves| load(halves)));
    let mut at = range.start;
    while at < range.end && at + STEP + LEN - 1 <= buffer.len() {
        let window = &buffer[at..at + STEP + LEN - 1];
        let bytes = [read(window, 0), read(window, 1), read(window, 2), read(window, 3)];
        let mut buckets = [_mm512_set1_epi8(-1); GROUPS];
        for k in 0..LEN {
            let lower = _mm512_and_si512(bytes[k], _mm512_set1_epi8(15));
            let upper = _mm512_and_si512(_mm512_srli_epi16::<4>(bytes[k]), _mm512_set1_epi8(15));
            for (buckets, group) in buckets.iter_mut().zip(&groups) {
                let (has_lower, has_upper) = group[k];
                let has =
                    _mm512_and_si512(_mm512_shuffle_epi8(has_lower, lower), _mm512_shuffle_epi8(has_upper, upper));
                *buckets = _mm512_and_si512(*buckets, has);
            }
        }
        let any = buckets.into_iter().fold(_mm512_setzero_si512(), |any, buckets| _mm512_or_si512(any, buckets));
        // What is not ASCII passes.
        passed.extend((at - range.start) as u16, _mm512_test_epi8_mask(any, any) | _mm512_movepi8_mask(bytes[0]));
        at += STEP;
    }
    at.min(range.end)
}

#[target_feature(enable = "avx512f")]
fn read(bytes: &[u8], at: usize) -> __m512i {
    let bytes = &bytes[at..at + STEP];
    // SAFETY: the slice has as many bytes as are read, and they may be anywhere.
    unsafe { _mm512_loadu_si512(bytes.as_ptr().cast::<__m512i>()) }
}

/// The two tables of a place, four times each: shuffles look up each quarter of a register by itself.
#[target_feature(enable = "avx512f")]
fn load(halves: Halves) -> (__m512i, __m512i) {
    let repeated = |table: &[u8; 16]| {
        // SAFETY: the table has the sixteen bytes that are read.
        let table = unsafe { _mm_loadu_si128(table.as_ptr().cast::<__m128i>()) };
        _mm512_broadcast_i32x4(table)
    };
    (repeated(&halves.lower), repeated(&halves.upper))
}
