//! SCRAM (RFC 5802, RFC 7677) without channel binding: proves the password without sending it, and
//! has the broker prove that it knows it.

use std::num::NonZeroU32;

use aws_lc_rs::{digest, hmac, pbkdf2};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::error::Error;

/// The hash function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hash {
    Sha256,
    Sha512,
}

/// Kafka's own bounds: fewer make guessing cheap, more would let whoever answers burn our time.
const ITERATIONS: std::ops::RangeInclusive<u32> = 4096..=16384;

/// The client's side, after its first message.
pub struct Scram<'a> {
    hash: Hash,
    password: &'a str,
    nonce: &'a str,
    /// The first message without its header.
    first: String,
}

/// What the broker's last message must be.
pub struct Expected {
    signature: Vec<u8>,
}

const HEADER: &str = "n,,";

impl<'a> Scram<'a> {
    pub fn new(hash: Hash, user: &str, password: &'a str, nonce: &'a str) -> Self {
        let user = user.replace('=', "=3D").replace(',', "=2C");
        Self { hash, password, nonce, first: format!("n={user},r={nonce}") }
    }

    pub fn first(&self) -> String {
        format!("{HEADER}{}", self.first)
    }

    /// Answers the broker's challenge.
    pub fn answer(&self, challenge: &str) -> Result<(String, Expected), Error> {
        let (nonce, salt, iterations) = self.understand(challenge).ok_or(Error::NotTheBroker)?;
        let salted = self.hash.stretch(self.password, &salt, iterations);
        let client_key = self.hash.mac(&salted, "Client Key");
        let bare = format!("c={},r={nonce}", STANDARD.encode(HEADER));
        let all = format!("{},{challenge},{bare}", self.first);
        let mut proof = self.hash.mac(&self.hash.digest(&client_key), &all);
        proof.iter_mut().zip(&client_key).for_each(|(proof, key)| *proof ^= key);
        let signature = self.hash.mac(&self.hash.mac(&salted, "Server Key"), &all);
        Ok((format!("{bare},p={}", STANDARD.encode(proof)), Expected { signature }))
    }

    fn understand<'c>(&self, challenge: &'c str) -> Option<(&'c str, Vec<u8>, NonZeroU32)> {
        let mut fields = challenge.split(',');
        let mut field = |name: &str| fields.next()?.strip_prefix(name);
        let (nonce, salt, iterations) = (field("r=")?, field("s=")?, field("i=")?);
        let iterations = iterations.parse().ok().filter(|count| ITERATIONS.contains(count))?;
        // A nonce of its own behind ours: or a recorded exchange could be played to us.
        let fresh = nonce.len() > self.nonce.len() && nonce.starts_with(self.nonce);
        fresh.then_some((nonce, STANDARD.decode(salt).ok()?, NonZeroU32::new(iterations)?))
    }
}

impl Expected {
    pub fn check(&self, last: &str) -> Result<(), Error> {
        let signature = last.split(',').next().and_then(|field| field.strip_prefix("v="));
        let signature = signature.and_then(|text| STANDARD.decode(text).ok()).ok_or(Error::LoginRefused)?;
        aws_lc_rs::constant_time::verify_slices_are_equal(&signature, &self.signature).map_err(|_| Error::NotTheBroker)
    }
}

impl Hash {
    fn stretch(self, password: &str, salt: &[u8], iterations: NonZeroU32) -> Vec<u8> {
        let (algorithm, length) = match self {
            Self::Sha256 => (pbkdf2::PBKDF2_HMAC_SHA256, digest::SHA256_OUTPUT_LEN),
            Self::Sha512 => (pbkdf2::PBKDF2_HMAC_SHA512, digest::SHA512_OUTPUT_LEN),
        };
        let mut salted = vec![0; length];
        pbkdf2::derive(algorithm, iterations, salt, password.as_bytes(), &mut salted);
        salted
    }

    fn mac(self, key: &[u8], text: &str) -> Vec<u8> {
        let algorithm = match self {
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha512 => hmac::HMAC_SHA512,
        };
        hmac::sign(&hmac::Key::new(algorithm, key), text.as_bytes()).as_ref().to_vec()
    }

    fn digest(self, bytes: &[u8]) -> Vec<u8> {
        let algorithm = match self {
            Self::Sha256 => &digest::SHA256,
            Self::Sha512 => &digest::SHA512,
        };
        digest::digest(algorithm, bytes).as_ref().to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONCE: &str = "rOprNGfwEbeRWgbNEkqO";
    const CHALLENGE: &str = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

    #[test]
    fn the_example_of_rfc_7677_comes_out() {
        let scram = Scram::new(Hash::Sha256, "user", "pencil", NONCE);
        assert_eq!(scram.first(), format!("n,,n=user,r={NONCE}"));
        let (answer, expected) = scram.answer(CHALLENGE).unwrap();
        assert_eq!(
            answer,
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
        );
        expected.check("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=").unwrap();
        assert_eq!(expected.check("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G5="), Err(Error::LoginRefused));
        assert_eq!(expected.check("e=invalid-proof"), Err(Error::LoginRefused));
    }

    #[test]
    fn names_with_commas_and_equals_signs_are_escaped_as_rfc_5802_says() {
        assert_eq!(Scram::new(Hash::Sha512, "a,b=c", "", "x").first(), "n,,n=a=2Cb=3Dc,r=x");
    }

    #[test]
    fn a_challenge_that_is_no_answer_to_ours_is_refused() {
        let scram = Scram::new(Hash::Sha512, "user", "pencil", NONCE);
        for (old, new) in [
            ("rOprNG", "other"),
            ("%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0", ""),
            ("4096", "1"),
            ("4096", "9999999"),
            ("s=", "x="),
        ] {
            assert!(scram.answer(&CHALLENGE.replace(old, new)).is_err(), "{new}");
        }
        assert!(scram.answer("").is_err());
    }

    #[test]
    fn whoever_does_not_know_the_password_is_not_the_broker() {
        let (_, expected) = Scram::new(Hash::Sha256, "user", "pencil", NONCE).answer(CHALLENGE).unwrap();
        let other = STANDARD.encode([7; 32]);
        assert_eq!(expected.check(&format!("v={other}")), Err(Error::NotTheBroker));
    }
}
