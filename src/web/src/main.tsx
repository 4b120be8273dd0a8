import { render } from 'preact';
import { App } from './app/app';
import { AppContext } from './ui/context';
import { Root } from './ui/Root';
import './styles/tokens.css';
import './styles/parts.css';
import './styles/home.css';
import './styles/call.css';
import './styles/phone.css';

const app = new App();
void app.begin();

const place = document.getElementById('app');
if (place) {
  render(
    <AppContext.Provider value={app}>
      <Root />
    </AppContext.Provider>,
    place,
  );
}
