// What simulated listeners have read to them.

export const SAMPLES = [
  "Good morning! The kettle is on, the window is open, and the first train has just gone by.",
  "To reset the device, hold both buttons for five seconds. A green light means that it worked.",
  "Your order has left our warehouse. It should be with you on Thursday, between nine and noon.",
  "The path climbs steeply at first; after the second gate it is level, and you can see the lake.",
  "Yes, of course. I have moved the meeting to a quarter past three, and told everyone about it.",
  "Rain is expected in the west, with some sun later. Tomorrow will be dry, but rather cold.",
  "He opened the letter, read it twice, and put it back. Nobody at the table asked what it said.",
  "Beat the eggs, add the flour, and let it rest. Half an hour is enough; an hour is better!",
];
