/** First digits and lengths of the card networks that issue most cards. */
const NETWORKS = [
  /^4(?:\d{15}|\d{18})$/,
  /^(?:5[1-5]|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d*$/,
  /^3[47]\d{13}$/,
  /^(?:6011|64[4-9]\d|65\d\d)\d{12}$/,
  /^35(?:2[89]|[3-8]\d)\d{12}$/,
  /^3(?:0[0-5]|[68]\d)\d{11}$/,
];

/** Whether digits, with spaces or dashes, are a card number by prefix, length and check digit. */
export function isCardNumber(text: string): boolean {
  const digits = text.replace(/[ -]/g, '');
  const isOfNetwork = NETWORKS.some((network) => network.test(digits));
  return isOfNetwork && digits.length <= 19 && hasCheckDigit(digits);
}

/** The Luhn sum. */
function hasCheckDigit(digits: string): boolean {
  let sum = 0;
  for (const [index, digit] of [...digits].toReversed().entries()) {
    const value = Number(digit) * (index % 2 === 0 ? 1 : 2);
    sum += value > 9 ? value - 9 : value;
  }
  return sum % 10 === 0;
}
