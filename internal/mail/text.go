package mail

import (
	"bytes"
	"fmt"
	"html/template"
	"strings"
	"time"

	"golang.org/x/text/language"
)

// words are the words of an invitation in one language. %[1]s is the account's name, %[2]s the end of the invitation.
type words struct {
	tag      string
	subject  string // the account's name
	greeting string // the person's name
	hello    string // where there is no name
	about    string // the account's name
	how      string
	secret   string
	until    string // the end
	unasked  string
	button   string
}

// languages are those that an invitation can be written in, the first where somebody's is none of them.
var languages = []words{
	{
		tag: "en", subject: "You are invited to join %s", greeting: "Hello %s,", hello: "Hello,",
		about:  "you have been invited to join the account “%s”. This is your personal link:",
		how:    "Open it in a browser, which tells you what to do, or accept at once with the program, the link in quotes:",
		secret: "The link is for you alone: whoever has it can accept in your place. Do not pass it on.",
		until:  "It works once, until %s.", unasked: "If you did not expect this, do nothing, or ask your administrator.", button: "Join",
	},
	{
		tag: "de", subject: "Sie sind eingeladen, %s beizutreten", greeting: "Guten Tag %s,", hello: "Guten Tag,",
		about:  "Sie sind eingeladen, dem Konto „%s“ beizutreten. Das ist Ihr persönlicher Link:",
		how:    "Öffnen Sie ihn im Browser, der sagt, was zu tun ist, oder nehmen Sie gleich mit dem Programm an, den Link in Anführungszeichen:",
		secret: "Der Link ist nur für Sie: Wer ihn hat, kann an Ihrer Stelle annehmen. Geben Sie ihn nicht weiter.",
		until:  "Er gilt einmal, bis %s.", unasked: "Wenn Sie das nicht erwartet haben, tun Sie nichts, oder fragen Sie Ihre Administration.", button: "Beitreten",
	},
	{
		tag: "fr", subject: "Vous êtes invité à rejoindre %s", greeting: "Bonjour %s,", hello: "Bonjour,",
		about:  "vous êtes invité à rejoindre le compte « %s ». Voici votre lien personnel :",
		how:    "Ouvrez-le dans un navigateur, qui vous dira quoi faire, ou acceptez directement avec le programme, le lien entre guillemets :",
		secret: "Ce lien est pour vous seul : quiconque le possède peut accepter à votre place. Ne le transmettez pas.",
		until:  "Il est valable une fois, jusqu’au %s.", unasked: "Si vous ne vous y attendiez pas, ne faites rien ou demandez à votre administrateur.", button: "Rejoindre",
	},
	{
		tag: "es", subject: "Se le invita a unirse a %s", greeting: "Hola, %s:", hello: "Hola:",
		about:  "se le ha invitado a unirse a la cuenta «%s». Este es su enlace personal:",
		how:    "Ábralo en un navegador, que le dirá qué hacer, o acepte directamente con el programa, con el enlace entre comillas:",
		secret: "El enlace es solo para usted: quien lo tenga puede aceptar en su lugar. No lo comparta.",
		until:  "Sirve una sola vez, hasta el %s.", unasked: "Si no lo esperaba, no haga nada o pregunte a su administrador.", button: "Unirse",
	},
}

// in finds the words for a language as an identity provider says it: fr-CA, de_AT, es;q=0.9.
func in(wanted string) words {
	tags := make([]language.Tag, len(languages))
	for i := range languages {
		tags[i] = language.Make(languages[i].tag)
	}
	list, _, err := language.ParseAcceptLanguage(strings.ReplaceAll(wanted, "_", "-"))
	if err != nil || len(list) == 0 {
		return languages[0]
	}
	_, at, _ := language.NewMatcher(tags).Match(list...)
	return languages[at]
}

var page = template.Must(template.New("").Parse(`<!DOCTYPE html>
<html lang="{{.Language}}">
<body style="font-family: sans-serif; line-height: 1.4; max-width: 40em">
<p>{{.Greeting}}</p>
<p>{{.About}}</p>
<p><a href="{{.Link}}">{{.Button}}</a></p>
<p>{{.How}}</p>
<p><code>{{.Command}}</code></p>
<p>{{.Secret}} {{.Until}}</p>
<p>{{.Unasked}}</p>
</body>
</html>
`))

// text is an invitation's text in both forms.
type text struct{ language, subject, plain, html string }

// write writes an invitation in the person's language.
func write(i Invitation) (text, error) {
	w := in(i.Language)
	name, person := oneLine(i.AccountName), oneLine(i.Name)
	data := struct{ Language, Greeting, About, Link, Button, How, Command, Secret, Until, Unasked string }{
		Language: w.tag, Greeting: w.hello, About: fmt.Sprintf(w.about, name), Link: i.Link, Button: w.button, How: w.how,
		Command: "scimbridge account join '" + i.Link + "'", Secret: w.secret,
		Until: fmt.Sprintf(w.until, i.Expires.UTC().Format(time.DateOnly+" 15:04 UTC")), Unasked: w.unasked,
	}
	if person != "" {
		data.Greeting = fmt.Sprintf(w.greeting, person)
	}
	var html bytes.Buffer
	if err := page.Execute(&html, data); err != nil {
		return text{}, err
	}
	plain := strings.Join([]string{
		data.Greeting, data.About, data.Link, data.How, "    " + data.Command, data.Secret + " " + data.Until, data.Unasked,
	}, "\n\n") + "\n"
	return text{w.tag, fmt.Sprintf(w.subject, name), plain, html.String()}, nil
}
