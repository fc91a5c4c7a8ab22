// A page that is opened from the disk may not start a worker. Search then runs in a hidden frame.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    #frame = document.createElement("iframe");
    #ready = new Promise((resolve) => this.#frame.addEventListener("load", resolve, { once: true }));

    constructor(url) {
      super();
      this.#frame.hidden = true;
      this.#frame.srcdoc = `<script>var importScripts = () => {};</script><script src="${url}"></script>`;
      document.body.append(this.#frame);
      const answer = (data) => this.dispatchEvent(new MessageEvent("message", { data }));
      this.#ready.then(() => (this.#frame.contentWindow.postMessage = answer));
    }

    async postMessage(data) {
      await this.#ready;
      this.#frame.contentWindow.dispatchEvent(new MessageEvent("message", { data }));
    }
  };
}
