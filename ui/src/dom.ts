// Elements of the page. Text is always a text node, so a class name that looks like HTML stays text.

export type Child = Node | string | number | null | undefined | false;
type Attributes = Record<string, unknown>;

function set(element: HTMLElement | SVGElement, name: string, value: unknown): void {
  if (value === undefined || value === null || value === false) return;
  if (name.startsWith("on") && typeof value === "function") {
    element.addEventListener(name.slice(2), value as EventListener);
  } else if (name === "style") {
    for (const [key, text] of Object.entries(value as Record<string, string>))
      element.style.setProperty(key, text);
  } else if (value === true) {
    element.setAttribute(name, "");
  } else {
    element.setAttribute(name, String(value));
  }
}

function fill(element: Element, children: Child[]): void {
  for (const child of children) {
    if (child === null || child === undefined || child === false) continue;
    element.append(typeof child === "number" ? String(child) : child);
  }
}

/** An HTML element: `on…` functions are listeners, `style` is an object, false and null leave an attribute out. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) set(element, name, value);
  fill(element, children);
  return element;
}

/** An SVG element. */
export function svg(tag: string, attributes: Attributes = {}, ...children: Child[]): SVGElement {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) set(element, name, value);
  fill(element, children);
  return element;
}

/** Put the children in place of what the element holds; where the focus was on one with an id, it stays. */
export function replace(element: Element, ...children: Child[]): void {
  const focused = element.contains(document.activeElement) ? document.activeElement?.id : "";
  element.replaceChildren();
  fill(element, children);
  if (focused) document.getElementById(focused)?.focus();
}

/** A button with a text. */
export function button(text: string, press: () => void, attributes: Attributes = {}): HTMLButtonElement {
  return h("button", { type: "button", onclick: press, ...attributes }, text);
}

/** A call of `run` once `ms` have passed without another. */
export function debounce<A extends unknown[]>(ms: number, run: (...args: A) => void): (...args: A) => void {
  let timer = 0;
  return (...args) => {
    clearTimeout(timer);
    timer = window.setTimeout(() => run(...args), ms);
  };
}

/** Mark which of a list of elements is the one that is looked at. */
export function markCurrent(elements: Iterable<Element>, current: number): void {
  [...elements].forEach((element, i) => {
    if (i === current) element.setAttribute("aria-current", "true");
    else element.removeAttribute("aria-current");
  });
}
