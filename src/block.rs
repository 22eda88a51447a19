//! Sixteen bytes looked at together: nearly all text is passed over by what looks for a few bytes in it.
//!
//! Marks are bits, the lowest for the first byte. They are the same on every machine; where the processor compares sixteen
//! bytes at once, it does.

/// Bytes in a block.
pub const LEN: usize = 16;

/// Marks the bytes of a block that are among these.
#[inline]
pub fn among<const N: usize>(block: &[u8; LEN], bytes: [u8; N]) -> u32 {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every processor of this architecture has SSE2.
    unsafe {
        sse2::among(block, bytes)
    }
    #[cfg(not(target_arch = "x86_64"))]
    marks(block, |byte| bytes.contains(&byte))
}

/// Marks the bytes of a block that are control characters, but for `DEL`, or not of ASCII.
#[inline]
pub fn beyond_print(block: &[u8; LEN]) -> u32 {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every processor of this architecture has SSE2.
    unsafe {
        sse2::below_blank(block)
    }
    #[cfg(not(target_arch = "x86_64"))]
    marks(block, |byte| !matches!(byte, b' '..0x80))
}

/// Where the first byte of a text is that is among these.
#[inline]
pub fn find<const N: usize>(text: &[u8], bytes: [u8; N]) -> Option<usize> {
    let mut at = 0;
    while let Some(block) = text[at..].first_chunk() {
        let marks = among(block, bytes);
        if marks != 0 {
            return Some(at + marks.trailing_zeros() as usize);
        }
        at += LEN;
    }
    text[at..].iter().position(|byte| bytes.contains(byte)).map(|behind| at + behind)
}

#[cfg(any(test, not(target_arch = "x86_64")))]
fn marks(block: &[u8; LEN], is_wanted: impl Fn(u8) -> bool) -> u32 {
    block.iter().rev().fold(0, |marks, &byte| marks << 1 | u32::from(is_wanted(byte)))
}

#[cfg(target_arch = "x86_64")]
mod sse2 {
    use std::arch::x86_64::{
        __m128i, _mm_cmpeq_epi8, _mm_cmplt_epi8, _mm_movemask_epi8, _mm_or_si128, _mm_set_epi64x, _mm_set1_epi8,
        _mm_setzero_si128,
    };

    use super::LEN;

    #[inline]
    #[target_feature(enable = "sse2")]
    pub fn among<const N: usize>(block: &[u8; LEN], bytes: [u8; N]) -> u32 {
        let block = load(block);
        let mut found = _mm_setzero_si128();
        for byte in bytes {
            found = _mm_or_si128(found, _mm_cmpeq_epi8(block, _mm_set1_epi8(byte.cast_signed())));
        }
        _mm_movemask_epi8(found).cast_unsigned()
    }

    /// Bytes beyond ASCII are negative where bytes have a sign.
    #[inline]
    #[target_feature(enable = "sse2")]
    pub fn below_blank(block: &[u8; LEN]) -> u32 {
        _mm_movemask_epi8(_mm_cmplt_epi8(load(block), _mm_set1_epi8(b' '.cast_signed()))).cast_unsigned()
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn load(block: &[u8; LEN]) -> __m128i {
        let bits = u128::from_le_bytes(*block);
        _mm_set_epi64x(((bits >> 64) as u64).cast_signed(), (bits as u64).cast_signed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn marks_are_those_of_a_look_at_each_byte(block: [u8; LEN], few in "[\\x00-\\x25]{16}") {
            for block in [block, *few.as_bytes().first_chunk().unwrap()] {
                let wanted = [b'"', 0x1b, block[7], 0x80, 0xff];
                proptest::prop_assert_eq!(among(&block, wanted), marks(&block, |byte| wanted.contains(&byte)));
                proptest::prop_assert_eq!(beyond_print(&block), marks(&block, |byte| !matches!(byte, b' '..0x80)));
            }
        }

        #[test]
        fn the_first_is_found(text in "[a-z]{0,40}[,;]?[a-z]{0,20}[,;]?") {
            proptest::prop_assert_eq!(find(text.as_bytes(), *b",;"), text.find([',', ';']));
        }
    }
}
