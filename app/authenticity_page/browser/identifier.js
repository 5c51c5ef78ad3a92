// Identifiers in the browser, after authenticity/identifier.py: 20 digits of any figures, the last two by
// ISO/IEC 7064 MOD 97-10.
const LENGTH = 20;
const BETWEEN = /[\s\-_.\u2010-\u2014\u00a0\u202f\u2009\u200c\u200e\u200f\u202a-\u202c\u2066-\u2069]/u;
// Arabic, Persian and Latin figures are what keyboards here type; the server knows all the others.
const ZEROS = [0x30, 0x660, 0x6f0];

function digitOf(character) {
  const point = character.codePointAt(0);
  const zero = ZEROS.find((each) => point >= each && point <= each + 9);
  return zero === undefined ? null : String(point - zero);
}

const fits = (digits) => BigInt(digits) % 97n === 1n;

// How far somebody has come: `stranger` is the first character that is no digit.
export function typedSoFar(typed) {
  let digits = '';
  for (const character of typed) {
    if (BETWEEN.test(character)) continue;
    const digit = digitOf(character);
    if (digit === null) return { count: digits.length, stranger: character, mistyped: false, complete: false };
    digits += digit;
  }
  const whole = digits.length === LENGTH;
  return {
    count: digits.length,
    stranger: null,
    mistyped: digits.length > LENGTH || (whole && !fits(digits)),
    complete: whole && fits(digits),
  };
}

// What a QR code means here: an identifier, an address elsewhere, or neither. `places` are this installation's.
export function identifierIn(text, places) {
  const bare = text.trim();
  if (/^\d{20}$/.test(bare)) return fits(bare) ? { identifier: bare } : {};
  let address;
  try {
    address = new URL(bare);
  } catch {
    return {};
  }
  if (!places.some((each) => new URL(each).origin === address.origin)) {
    return { elsewhere: /^https?:$/.test(address.protocol) };
  }
  const found = /\/d\/(\d{20})\/?$/.exec(address.pathname);
  return found && fits(found[1]) ? { identifier: found[1] } : {};
}
