// Hides images without a caption that contains all words in the search box; the URL keeps the words.
const box = document.querySelector("#words");
const cards = [...document.querySelectorAll(".sample")].map((card) => ({
  card,
  texts: [...card.querySelectorAll(".text")].map((text) => text.textContent.toLowerCase()),
}));

function search() {
  const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
  let found = 0;
  for (const { card, texts } of cards) {
    card.hidden = !texts.some((text) => words.every((word) => text.includes(word)));
    found += !card.hidden;
  }
  document.querySelector("#found").textContent = `${found} of ${cards.length} images`;
}

function readAddress() {
  box.value = new URLSearchParams(location.hash.slice(1)).get("words") ?? "";
  search();
}

box.addEventListener("input", () => {
  history.replaceState(null, "", "#" + new URLSearchParams({ words: box.value }));
  search();
});
addEventListener("hashchange", readAddress);
document.querySelector("#search").hidden = false;
readAddress();
