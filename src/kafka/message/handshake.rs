//! What is said before anything else on a connection.

use std::collections::HashMap;

use super::Request;
use crate::kafka::bytes::{Malformed, Reader, Writer};
use crate::kafka::error::Code;

/// Which versions of which requests the broker has: key to (oldest, newest).
#[derive(Debug)]
pub struct ApiVersions;

impl Request for ApiVersions {
    const KEY: i16 = 18;
    const NAME: &'static str = "ApiVersions";
    const VERSIONS: (i16, i16) = (3, 3);
    const FLEXIBLE: i16 = 3;
    type Answer = Result<HashMap<i16, (i16, i16)>, Code>;

    fn write(&self, _: i16, to: &mut Writer) {
        to.string("awp");
        to.string(env!("CARGO_PKG_VERSION"));
        to.end();
    }

    fn read(&self, _: i16, from: &mut Reader<'_>) -> Result<Self::Answer, Malformed> {
        // A broker that does not have this version answers in the oldest encoding: only the code is the same.
        if let Err(code) = Code(from.i16()?).check() {
            return Ok(Err(code));
        }
        let versions = from.array(|from| {
            let versions = (from.i16()?, (from.i16()?, from.i16()?));
            from.end()?;
            Ok(versions)
        })?;
        Ok(Ok(versions.into_iter().collect()))
    }
}

/// Names the SASL mechanism. The answer: an error, and what the broker offers.
#[derive(Debug)]
pub struct SaslHandshake {
    pub mechanism: &'static str,
}

impl Request for SaslHandshake {
    const KEY: i16 = 17;
    const NAME: &'static str = "SaslHandshake";
    const VERSIONS: (i16, i16) = (1, 1);
    const FLEXIBLE: i16 = i16::MAX;
    type Answer = (Result<(), Code>, Vec<String>);

    fn write(&self, _: i16, to: &mut Writer) {
        to.string(self.mechanism);
    }

    fn read(&self, _: i16, from: &mut Reader<'_>) -> Result<Self::Answer, Malformed> {
        Ok((Code(from.i16()?).check(), from.array(Reader::string)?))
    }
}

/// One step of a SASL exchange. The answer: the broker's step.
pub struct SaslAuthenticate {
    pub step: Vec<u8>,
}

impl Request for SaslAuthenticate {
    const KEY: i16 = 36;
    const NAME: &'static str = "SaslAuthenticate";
    const VERSIONS: (i16, i16) = (1, 1);
    const FLEXIBLE: i16 = 2;
    type Answer = Result<Vec<u8>, Code>;

    fn write(&self, _: i16, to: &mut Writer) {
        to.bytes(&self.step);
    }

    fn read(&self, _: i16, from: &mut Reader<'_>) -> Result<Self::Answer, Malformed> {
        let code = Code(from.i16()?);
        // The broker's words may repeat what was sent.
        from.optional_string()?;
        let step = from.bytes()?.to_vec();
        Ok(code.check().map(|()| step))
    }
}
